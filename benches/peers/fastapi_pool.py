"""Peer: FastAPI in front of a ProcessPoolExecutor, one uvicorn process.

Usage: fastapi_pool.py PORT WORKERS. uvicorn takes uvloop and httptools if they are installed.
"""
import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench_tasks import f

FUNCTIONS = {"bench_tasks.f": f}
PORT, WORKERS = int(sys.argv[1]), int(sys.argv[2])


class Call(BaseModel):
    function: str
    args: list


@asynccontextmanager
async def lifespan(app):
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(f, range(100)))
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/apply")
async def apply(call: Call):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(app.state.pool, FUNCTIONS[call.function], *call.args)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
