"""The functions' document through a bridge to MCP (FastMCP), used: check.py DOCUMENT URL TOKEN. An agent that reads the
list of tools has it in its context: it must be small."""

import asyncio
import json
import sys

import httpx2
from fastmcp import Client, FastMCP

path, url, token = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    document = json.load(file)


async def check():
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers) as server, \
            Client(FastMCP.from_openapi(document, client=server)) as agent:
        tools = await agent.list_tools()
        names = {tool.name for tool in tools}
        size = len(json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in tools]))
        assert {"tasks_square", "tasks_square_async", "getResult"} <= names and "createQueue" not in names, names
        assert (await agent.call_tool("tasks_square", {"x": 3})).data == 9
        thumbnail = {"image": "cat", "size": {"width": 3, "height": 4}}
        made = await agent.call_tool("tasks_thumbnail", thumbnail)
        assert made.structured_content["name"] == "cat.png", made
        job = (await agent.call_tool("tasks_square_async", {"x": 20})).structured_content
        result = await agent.call_tool("getResult", {"id": job["id"], "timeout": 10})
        assert result.data == 400, result
        raised = await agent.call_tool("tasks_square", {"x": "three"}, raise_on_error=False)
        assert raised.is_error and "invalid-arguments" in raised.content[0].text, raised
        print(f"FastMCP: {len(tools)} tools, {size} bytes of them")


asyncio.run(check())
