// What swagger-typescript-api generates, used: node swagger-typescript-api.mjs URL TOKEN. It throws what is no success.

import assert from "node:assert/strict";
import { Api, type HttpResponse, type Problem } from "./swagger-typescript-api/client";

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined);
const headers = { Authorization: `Bearer ${token}` };
const { v1 } = new Api({ baseUrl: url, baseApiParams: { headers } });

const refused = async (call: Promise<unknown>): Promise<Problem> => {
  const answered = () => assert.fail("it is refused");
  return call.then(answered, (thrown: HttpResponse<unknown, Problem>) => thrown.error);
};

// call, error, async and result
assert.equal((await v1.apply({ function: "tasks.square", args: [3] })).data, 9);
const raised = await refused(v1.apply({ function: "tasks.fail", args: ["no"] }));
assert.deepEqual([raised.code, raised.exception?.message], ["function-raised", "no"]);
assert.deepEqual((await v1.map({ function: "tasks.square", iterable: [1, 2, 3] })).data, [1, 4, 9]);
const job = await v1.applyAsync({ function: "tasks.square", args: [20] });
assert.equal((await v1.getResult(job.data.id, { timeout: 10 })).data, 400);

// typed calls
const size = { width: 3, height: 4 };
const made = await v1.tasksThumbnail({ image: "cat", size, on: "2026-02-03" }, { run_timeout: 5 });
const width: number = made.data.size.width;
assert.deepEqual([made.data.name, width], ["cat.png", 3]);
assert.equal((await v1.tasksThumbnailAsync({ image: "dog", size })).data.kind, "apply");
// @ts-expect-error: the compiler knows what the function takes
const wrong = await refused(v1.tasksSquare({ x: "three" }));
assert.equal(wrong.code, "invalid-arguments");

// the token
const stranger = await refused(new Api({ baseUrl: url }).v1.apply({ function: "tasks.square" }));
assert.equal(stranger.code, "unauthorized");
