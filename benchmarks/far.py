"""`python -m benchmarks.far SOCKET SECONDS`: a server's socket, as if the server were far away.

Everything that goes either way arrives SECONDS later, as over a link of any width. Writes the port
on one line to stdout when it is ready.
"""

import asyncio
import sys


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(1024 * 1024):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def _serve(socket: str, seconds: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(
            _forward(reader, its_writer, seconds), _forward(its_reader, writer, seconds)
        )

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
