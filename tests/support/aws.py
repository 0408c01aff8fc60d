"""A private SNS and SQS server (tests/aws/server.mjs, installed by `make deps-aws`), with usher's topic and queues on it."""

import json
import pathlib
import platform
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request

from . import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "aws"
REGION = "us-east-1"
ACCOUNT = "000000000000"
TOPIC = "user-signup"
QUEUES = ("signup-welcome-email", "signup-welcome-coupon")
MAX_RECEIVES = 30
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


def arn(service, name):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


class Aws:
    """`settings` and `environment` are what a daemon needs to use it: Daemon(..., changes=aws.settings, ...)."""

    def __init__(self):
        assert (FOLDER / "installed").exists(), "the server is not installed: make deps-aws"
        machine = "arm64" if platform.machine() == "aarch64" else "x64"
        self._log = tempfile.NamedTemporaryFile(prefix="usher-aws-")
        assert threading.current_thread() is threading.main_thread()    # the kernel's bond below is to the thread
        self._process = subprocess.Popen(
            [str(FOLDER / f"node_modules/node-linux-{machine}/bin/node"), "--no-warnings", "server.mjs"], cwd=FOLDER,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            preexec_fn=process.die_with_parent)
        said = self._process.stdout.readline().split()
        assert said and said[0] == "port", f"the server does not start: see {self._log.name}"
        self.endpoint = f"http://127.0.0.1:{said[1]}"
        self.environment = ENVIRONMENT
        self.settings = {"broker": {"driver": "aws"}, "aws": {"region": REGION, "endpoint_url": self.endpoint}}
        self._make()

    def _make(self):
        self.sns("CreateTopic", Name=TOPIC)
        for name in QUEUES:
            self.sqs("CreateQueue", QueueName=f"{name}-dlq")
            policy = {"deadLetterTargetArn": arn("sqs", f"{name}-dlq"), "maxReceiveCount": MAX_RECEIVES}
            self.sqs("CreateQueue", QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
            self.sns("Subscribe", Protocol="sqs", TopicArn=arn("sns", TOPIC), Endpoint=arn("sqs", name),
                     **{"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"})

    def _post(self, body, headers):
        request = urllib.request.Request(self.endpoint, body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def sqs(self, action, **members):
        answer = self._post(json.dumps(members).encode(), {"Content-Type": "application/x-amz-json-1.0",
                                                           "X-Amz-Target": f"AmazonSQS.{action}"})
        return json.loads(answer) if answer else {}

    def sns(self, action, **members):
        return self._post(urllib.parse.urlencode({"Action": action, "Version": "2010-03-31", **members}).encode(),
                          {"Content-Type": "application/x-www-form-urlencoded"})

    def url(self, queue):
        return f"{self.endpoint}/{ACCOUNT}/{queue}"

    def put(self, queue, body):
        self.sqs("SendMessage", QueueUrl=self.url(queue), MessageBody=body)

    def messages(self, queue):
        """What stands in a queue, in whatever state, looked at from behind: no receive."""
        with urllib.request.urlopen(f"{self.endpoint}/_fauxqs/queues/{queue}", timeout=20) as answer:
            there = json.load(answer)["messages"]
        return there["ready"] + there["delayed"] + [one["message"] for one in there["inflight"]]

    def close(self):
        self._process.stdin.close()
        process.end(self._process)
        self._process.stdout.close()
        self._log.close()
