// The types that openapi-typescript generates, with openapi-fetch, used: node check.js URL TOKEN.
// It fails where anything is not so; the compiler checks the rest.

import assert from "node:assert/strict";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined, "node check.js URL TOKEN");
const headers = { Authorization: `Bearer ${token}` };
const client = createClient<paths>({ baseUrl: url, headers });

async function submitted(name: string, args: unknown[]): Promise<Job> {
  const { data, error, response } = await client.POST("/v1/apply_async", { body: { function: name, args } });
  assert(data, JSON.stringify(error));
  assert.equal(response.headers.get("location"), data.links.self);
  return data;
}

// submit, wait, result
const job = await submitted("tasks.square", [20]);
const id = job.id;
const done = await client.GET("/v1/jobs/{id}", { params: { path: { id }, query: { wait: 10 } } });
assert.equal(done.data?.state, "succeeded");
assert.equal(done.data.successful, true);
const result = await client.GET("/v1/jobs/{id}/result", { params: { path: { id }, query: { timeout: 1 } } });
assert.equal(result.data, 400);
const map = await client.POST("/v1/map", { body: { function: "tasks.square", iterable: [1, 2, 3] } });
assert.deepEqual(map.data, [1, 4, 9]);

// the function's error
const raised = await client.POST("/v1/apply", { body: { function: "tasks.fail", args: ["no"] } });
assert.equal(raised.error?.code, "function-raised");
assert.equal(raised.response.status, 422);
assert.equal(raised.error.exception?.type, "ValueError");
assert.equal(raised.error.exception.message, "no");

// timeout, cancel
const slow = { path: { id: (await submitted("tasks.nap", [30])).id } };
const late = await client.GET("/v1/jobs/{id}/result", { params: { ...slow, query: { timeout: 0.2 } } });
assert.equal(late.response.status, 408);
assert.equal(late.error?.title, "TimeoutError");
const ended = await client.POST("/v1/jobs/{id}/cancel", { params: slow });
assert.equal(ended.data?.state, "cancelled");
assert.equal(ended.data.error?.code, "cancelled");

// a typed function
const size = { width: 3, height: 4 };
const made = await client.POST("/v1/functions/tasks.thumbnail/call", {
  params: { query: { run_timeout: 5 } },
  body: { image: "cat", size, fit: "contain", on: "2026-02-03" },
});
assert.deepEqual(made.data, { name: "cat.png", size, fit: "contain", made_on: "2026-02-03" });
const width: number | undefined = made.data?.size.width;
assert.equal(width, 3);
// @ts-expect-error: the compiler knows what the function takes
const wrong = await client.POST("/v1/functions/tasks.square/call", { body: { x: "three" } });
assert.equal(wrong.error?.code, "invalid-arguments");
assert.equal(wrong.error.path, "$.x");

// the token
for (const stranger of [{}, { Authorization: `Bearer not-${token}` }] as HeadersInit[]) {
  const outside: Client<paths> = createClient<paths>({ baseUrl: url, headers: stranger });
  const refused = await outside.POST("/v1/apply", { body: { function: "tasks.square", args: [1] } });
  assert.equal(refused.response.status, 401);
  assert.equal(refused.error?.code, "unauthorized");
}
console.log("openapi-typescript with openapi-fetch: all well");
