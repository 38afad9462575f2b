// What kubb generates with its fetch client, used: node kubb.mjs URL TOKEN. That client names no content type by itself.

import assert from "node:assert/strict";
import { setConfig } from "@kubb/plugin-client/clients/fetch";
import type { Problem } from "./kubb/index.ts";
import { apply, applyAsync, getResult, map, tasksSquare, tasksThumbnail, tasksThumbnailAsync } from "./kubb/index.ts";

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined);
const json = { "Content-Type": "application/json" };
setConfig({ baseURL: url, headers: { ...json, Authorization: `Bearer ${token}` } });

// call, error, async and result
const called = await apply({ function: "tasks.square", args: [3] });
assert.deepEqual([called.status, called.data], [200, 9]);
const raised = await apply({ function: "tasks.fail", args: ["no"] });
const problem: Problem = raised.data;
assert.deepEqual([raised.status, problem.code, problem.exception?.message], [422, "function-raised", "no"]);
const mapped = await map({ function: "tasks.square", iterable: [1, 2, 3] });
assert.deepEqual(mapped.data, [1, 4, 9]);
const job = await applyAsync({ function: "tasks.square", args: [20] });
const result = await getResult(job.data.id, { timeout: 10 });
assert.equal(result.data, 400);

// typed calls
const size = { width: 3, height: 4 };
const made = await tasksThumbnail({ image: "cat", size, on: "2026-02-03" }, { run_timeout: 5 });
const width: number = made.data.size.width;
assert.deepEqual([made.data.name, width], ["cat.png", 3]);
const later = await tasksThumbnailAsync({ image: "dog", size });
assert.equal(later.data.kind, "apply");
// @ts-expect-error: the compiler knows what the function takes
const wrong = await tasksSquare({ x: "three" });
assert.equal(wrong.status, 422);

// the token
setConfig({ baseURL: url, headers: json });
const stranger = await apply({ function: "tasks.square" });
assert.equal(stranger.status, 401);
