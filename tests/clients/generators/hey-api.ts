// What @hey-api/openapi-ts generates, used: node hey-api.mjs URL TOKEN. It fails where anything is not so; the compiler
// checks the rest.

import assert from "node:assert/strict";
import { apply, applyAsync, getResult, map, tasksSquare, tasksThumbnail, tasksThumbnailAsync } from "./hey-api/index";
import { createClient } from "./hey-api/client";

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined);
const client = createClient({ baseUrl: url, auth: token });

// call, error, async and result
const called = await apply({ client, body: { function: "tasks.square", args: [3] } });
assert.equal(called.data, 9);
const raised = await apply({ client, body: { function: "tasks.fail", args: ["no"] } });
assert.equal(raised.error?.code, "function-raised");
assert.equal(raised.error.exception?.message, "no");
const mapped = await map({ client, body: { function: "tasks.square", iterable: [1, 2, 3] } });
assert.deepEqual(mapped.data, [1, 4, 9]);
const job = await applyAsync({ client, body: { function: "tasks.square", args: [20] } });
assert(job.data, JSON.stringify(job.error));
const result = await getResult({ client, path: { id: job.data.id }, query: { timeout: 10 } });
assert.equal(result.data, 400);

// typed calls
const size = { width: 3, height: 4 };
const made = await tasksThumbnail({ client, body: { image: "cat", size, on: "2026-02-03" }, query: { run_timeout: 5 } });
const width: number | undefined = made.data?.size.width;
assert.deepEqual([made.data?.name, width], ["cat.png", 3]);
const later = await tasksThumbnailAsync({ client, body: { image: "dog", size } });
assert.equal(later.data?.kind, "apply");
// @ts-expect-error: the compiler knows what the function takes
const wrong = await tasksSquare({ client, body: { x: "three" } });
assert.equal(wrong.error?.code, "invalid-arguments");

// the token
const stranger = await apply({ client: createClient({ baseUrl: url }), body: { function: "tasks.square" } });
assert.equal(stranger.error?.code, "unauthorized");
