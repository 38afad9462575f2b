// What openapi-generator generates for typescript-fetch, used: node typescript-fetch.mjs URL TOKEN. It throws what is no
// success.

import assert from "node:assert/strict";
import {
  Configuration, FunctionsApi, JobsApi, type Problem, ProblemFromJSON, ResponseError, SubmitApi,
} from "./typescript-fetch/index";

const [url, token] = process.argv.slice(2);
assert(url !== undefined && token !== undefined);
const configuration = new Configuration({ basePath: url, accessToken: token });
const submit = new SubmitApi(configuration);
const jobs = new JobsApi(configuration);
const functions = new FunctionsApi(configuration);

const refused = async (call: Promise<unknown>): Promise<Problem> => {
  const thrown = await call.then(() => assert.fail("it is refused"), (thrown: unknown) => thrown);
  assert(thrown instanceof ResponseError, String(thrown));
  return ProblemFromJSON(await thrown.response.json());
};

// call, error, async and result
assert.equal(await submit.apply({ applyBody: { _function: "tasks.square", args: [3] } }), 9);
const raised = await refused(submit.apply({ applyBody: { _function: "tasks.fail", args: ["no"] } }));
assert.deepEqual([raised.code, raised.exception?.message], ["function-raised", "no"]);
assert.deepEqual(await submit.map({ mapBody: { _function: "tasks.square", iterable: [1, 2, 3] } }), [1, 4, 9]);
const job = await submit.applyAsync({ applyBody: { _function: "tasks.square", args: [20] } });
assert(job.createdAt instanceof Date);
assert.equal(await jobs.getResult({ id: job.id, timeout: 10 }), 400);

// typed calls
const size = { width: 3, height: 4 };
const on = new Date("2026-02-03");
const made = await functions.tasksThumbnail({ tasksThumbnailArguments: { image: "cat", size, on }, runTimeout: 5 });
const width: number = made.size.width;
assert.deepEqual([made.name, width], ["cat.png", 3]);
const later = await functions.tasksThumbnailAsync({ tasksThumbnailArguments: { image: "dog", size } });
assert.equal(later.kind, "apply");
// @ts-expect-error: the compiler knows what the function takes
const wrong = await refused(functions.tasksSquare({ tasksSquareArguments: { x: "three" } }));
assert.equal(wrong.code, "invalid-arguments");

// the token
const stranger = new SubmitApi(new Configuration({ basePath: url }));
assert.equal((await refused(stranger.apply({ applyBody: { _function: "tasks.square" } }))).code, "unauthorized");
