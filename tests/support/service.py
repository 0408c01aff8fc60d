"""What both stand-ins have in common: a server on loopback in a thread of its own, outages on demand, and faults
that are planned in the name of whom a request is for.

A name such as "down2.kim" means: the first two requests for it meet the fault "down", later ones do not; "down.kim"
meets it always. "slow300.kim" is answered after 300 ms."""

import asyncio
import re
import socket
import threading
from collections import Counter

FAULT = re.compile(r"([a-z]+?)(\d*)[.-]")


class Service:
    """Subclasses give `words`, the faults they know, and `_protocol`, which makes one connection's protocol."""

    words = frozenset()

    def __init__(self, ssl_context=None):
        self.connections = 0        # ever accepted
        self.healed = set()         # faults that are over: see heal()
        self._tries = Counter()
        self._open = set()
        self._ssl = ssl_context
        self._server = None
        self._listening = None
        self.port = self._free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        self.recover()

    @staticmethod
    def _free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _protocol(self):
        raise NotImplementedError

    # -- Used by the protocols, on the service's own thread --
    def connected(self, transport):
        self.connections += 1
        self._open.add(transport)
        if not self._server:
            transport.abort()

    def disconnected(self, transport):
        self._open.discard(transport)

    def planned(self, name):
        """(word, number) of the fault this try meets, or (None, 0)."""
        match = FAULT.match(name)
        if not match or match[1] not in self.words or match[1] in self.healed:
            return None, 0
        word, number = match[1], int(match[2] or 0)
        self._tries[name] += 1
        if number and word != "slow" and self._tries[name] > number:
            return None, 0
        return word, number

    # -- Used by tests --
    @property
    def open_connections(self):
        return len(self._open)

    def outage(self):
        """Stops listening and cuts every connection, whatever it is at."""
        async def stop():
            if self._server:
                for listening in self._server.sockets:
                    self._loop.remove_reader(listening)
                await asyncio.sleep(0)    # what was accepted gets its transport: without a server it never would, nor be closed
                self._server.close()
                self._server = None
            for transport in list(self._open):
                transport.abort()
        self._call(stop())

    def recover(self):
        async def listen():
            if not self._server:
                self._server = await self._loop.create_server(self._protocol, "127.0.0.1", self.port, backlog=1024,
                                                              ssl=self._ssl)
        self._call(listen())

    def heal(self, *words):
        """These planned faults are over."""
        self.healed.update(words)

    def close(self):
        if self._loop.is_closed():
            return
        self.outage()

        async def finish():
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._call(finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
