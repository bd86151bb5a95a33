"""Redis servers of a test's own, and a REST service in front of one."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from redis.asyncio import Redis as Hand

from nexconsole.drill.servers import redis_server
from nexconsole.drill.temp_tree import free_port

BINARY = redis_server()


@asynccontextmanager
async def server(folder: Path, *arguments: str, ping: bool = True) -> AsyncIterator[int]:
    """A redis-server of the test's own; yields its port when it answers."""
    port = next(port for port in iter(free_port, None) if port < 55_000)  # a cluster's bus is 10 000 above
    command = [str(BINARY), *arguments, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.write(b"PING\r\n")
            await reader.readline()
            writer.close()
            break
        yield port
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def upstash(hand: Hand, token: str = "t0ken") -> AsyncIterator[str]:
    """A REST service as Upstash's, in front of a real Redis: POST / with a command as a JSON array."""

    async def run(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"error": "WRONGPASS invalid or missing auth token"}, status=401)
        command = await request.json()
        connection = await hand.connection_pool.get_connection()
        try:
            await connection.send_command(*command)
            answer = await connection.read_response()
        except Exception as error:
            return web.json_response({"error": f"ERR {error}"}, status=400)
        finally:
            await hand.connection_pool.release(connection)
        return web.json_response({"result": plain(answer)})

    def plain(answer):
        if isinstance(answer, list):
            return [plain(one) for one in answer]
        if isinstance(answer, bytes):
            text = answer.decode(errors="replace")
            return int(text) if text.isdigit() else text  # decoded JSON, as some services have it
        return answer

    application = web.Application()
    application.router.add_post("/", run)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
