module.exports = {
  forkpool: {
    input: "./document.json",
    output: { target: "./orval/client.ts", client: "fetch", mode: "single" },
  },
};
