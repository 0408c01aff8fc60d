"""A stand-in for an EC2 instance's metadata service, version 2: it gives out tokens, asks for them, and tells of an
interruption once a test says that there is one."""

import http.server
import json
import threading

from . import planted

TOKEN = planted.secret("imds-token") + "=="
NOTICE_PATH = "/latest/meta-data/spot/instance-action"


class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):      # quiet
        pass

    def _say(self, status, text=""):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        asks = self.path == "/latest/api/token" and int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) <= 21600
        self._say(*((200, TOKEN) if asks else (400,)))

    def do_GET(self):
        imds = self.server.imds
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self._say(401)
        elif self.path != NOTICE_PATH:
            self._say(404)
        else:
            imds.asked += 1
            self._say(*((200, json.dumps(imds.notice)) if imds.notice else (404,)))


class Imds:
    """Started when made; `environment` is for who shall ask it."""

    def __init__(self):
        self.asked, self.notice = 0, None
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Door)
        self._server.daemon_threads = True
        self._server.imds = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
                            "AWS_EC2_METADATA_DISABLED": ""}

    def interrupt(self, action="terminate", time="2026-11-26T08:22:00Z"):
        self.notice = {"action": action, "time": time}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
