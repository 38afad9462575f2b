// kubb writes types and a client that uses fetch: IN and OUT are where from and where to.
import { defineConfig } from "@kubb/core";
import { pluginClient } from "@kubb/plugin-client";
import { pluginOas } from "@kubb/plugin-oas";
import { pluginTs } from "@kubb/plugin-ts";

export default defineConfig({
  root: ".",
  input: { path: process.env.IN },
  output: { path: process.env.OUT, clean: true },
  plugins: [pluginOas({ validate: false }), pluginTs(), pluginClient({ client: "fetch" })],
});
