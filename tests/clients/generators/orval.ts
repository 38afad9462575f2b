// What orval generates for fetch, used: node orval.mjs URL TOKEN. Its paths are relative, as the document's server is.

import assert from "node:assert/strict";
import { apply, applyAsync, getResult, map, tasksSquare, tasksThumbnail, tasksThumbnailAsync } from "./orval/client";

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined);
const plain = globalThis.fetch;
globalThis.fetch = (path, options) => plain(new URL(String(path), url), options);
const options = { headers: { Authorization: `Bearer ${token}` } };

// call, error, async and result
const called = await apply({ function: "tasks.square", args: [3] }, options);
assert.deepEqual([called.status, called.data], [200, 9]);
const raised = await apply({ function: "tasks.fail", args: ["no"] }, options);
assert(raised.status === 422);
assert.deepEqual([raised.data.code, raised.data.exception?.message], ["function-raised", "no"]);
const mapped = await map({ function: "tasks.square", iterable: [1, 2, 3] }, options);
assert.deepEqual(mapped.data, [1, 4, 9]);
const job = await applyAsync({ function: "tasks.square", args: [20] }, options);
assert(job.status === 202);
const result = await getResult(job.data.id, { timeout: 10 }, options);
assert.equal(result.data, 400);

// typed calls
const size = { width: 3, height: 4 };
const made = await tasksThumbnail({ image: "cat", size, on: "2026-02-03" }, { run_timeout: 5 }, options);
assert(made.status === 200);
const width: number = made.data.size.width;
assert.deepEqual([made.data.name, width], ["cat.png", 3]);
const later = await tasksThumbnailAsync({ image: "dog", size }, undefined, options);
assert(later.status === 202 && later.data.kind === "apply");
// @ts-expect-error: the compiler knows what the function takes
const wrong = await tasksSquare({ x: "three" }, undefined, options);
assert(wrong.status === 422 && wrong.data.code === "invalid-arguments");

// the token
const stranger = await apply({ function: "tasks.square" });
assert(stranger.status === 401 && stranger.data.code === "unauthorized");
