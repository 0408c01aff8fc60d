"""SNS and SQS for tests: a private fauxqs (tests/aws/server.mjs, installed by `make deps-aws`), what usher needs on it, and
a view of its queues that goes past usher. No signature is looked at, so that the tests' own calls need none."""

import contextlib
import http.client
import json
import platform
import subprocess
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree

from . import planted, process
from .daemon import ROOT
from .load import QUEUES

REGION, ACCOUNT, TOPIC = "us-east-1", "000000000000", "user-signup"
FOLDER = ROOT / "build" / "aws"
FIFO = ".fifo"
MAX_RECEIVES = 33              # of the queues' own redrive policy, as provisioned for three attempts

# Credentials that are none's, and nothing of the machine's own.
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": planted.AWS_KEY,
               "AWS_SESSION_TOKEN": planted.AWS_TOKEN, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
               "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


def settings(endpoint):
    """Laid over a daemon's settings: it works on SNS and SQS there."""
    return {"broker": {"driver": "aws"}, "aws": {"region": REGION, "endpoint_url": endpoint, "topic": TOPIC}}


def fifo_settings():
    """Laid over those: its topic and queues are FIFO, as Cloud.fresh(suffix=FIFO) makes them."""
    return {"aws": {"topic": TOPIC + FIFO},
            **{f"channel.{channel}": {"queue": queue + FIFO, "dlq": queue + "-dlq" + FIFO} for channel, queue in QUEUES.items()}}


def merged(*changes):
    """Changes over changes, section by section."""
    result = {}
    for one in changes:
        for section, keys in (one or {}).items():
            result[section] = {**result.get(section, {}), **keys}
    return result


class Refused(RuntimeError):
    """What the service said to a call of the tests."""


class Cloud:
    """Started when made."""

    def __init__(self):
        node = FOLDER / "node_modules" / f"node-linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}" / "bin" / "node"
        assert node.exists(), f"{node} is not there: make deps-aws"
        self._log = tempfile.NamedTemporaryFile(prefix="usher-aws-", suffix=".log")
        self._process = process.start([str(node), "--no-warnings", "server.mjs"], self._log.name, cwd=FOLDER,
                                      stdin=subprocess.PIPE)
        try:
            self.port = int(process.wait_until(self._said_port, lambda: "fauxqs: " + self._said(), 30))
        except BaseException:
            self.close()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def _said(self):
        with open(self._log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _said_port(self):
        assert self._process.poll() is None, "fauxqs ended: " + self._said()
        words = self._said().partition("port ")[2].split()
        return words[0] if words else None

    # -- Calls --
    def _call(self, body, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(text.decode("utf-8", "replace"))
        return text

    def sqs(self, action, queue=None, **fields):
        if queue:
            fields["QueueUrl"] = f"{self.url}/{ACCOUNT}/{queue}"
        text = self._call(json.dumps(fields), {"Content-Type": "application/x-amz-json-1.0",
                                               "X-Amz-Target": f"AmazonSQS.{action}"})
        return json.loads(text) if text else {}

    def sns(self, action, **fields):
        text = self._call(urllib.parse.urlencode({"Action": action, "Version": "2010-03-31", **fields}),
                          {"Content-Type": "application/x-www-form-urlencoded"})
        return xml.etree.ElementTree.fromstring(text)

    # -- What usher needs --
    def _make_queue(self, name, **attributes):
        fifo = {"FifoQueue": "true"} if name.endswith(FIFO) else {}
        self.sqs("CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": "30", **fifo, **attributes})

    def fresh(self, max_receives=MAX_RECEIVES, suffix=""):
        """Topic, queues, DLQs and subscriptions as provisioned, all empty. `suffix`: "" or FIFO."""
        for queue in QUEUES.values():
            for name in (queue + suffix, queue + "-dlq" + suffix):
                try:
                    self.sqs("DeleteQueue", queue=name)
                except Refused:
                    pass    # it was not there
        topic, fifo = TOPIC + suffix, {"Attributes.entry.1.key": "FifoTopic", "Attributes.entry.1.value": "true"}
        self.sns("DeleteTopic", TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")    # with its subscriptions
        self.sns("CreateTopic", Name=topic, **(fifo if suffix else {}))
        for queue in QUEUES.values():
            dlq = queue + "-dlq" + suffix
            self._make_queue(dlq)
            policy = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dlq}", "maxReceiveCount": max_receives}
            self._make_queue(queue + suffix, RedrivePolicy=json.dumps(policy))
            self.subscribe(queue + suffix, topic)

    def subscribe(self, queue, topic=TOPIC):
        """The subscription's ARN."""
        answer = self.sns("Subscribe", TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}", Protocol="sqs",
                          Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
                          **{"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"})
        return answer.find(".//{*}SubscriptionArn").text

    @contextlib.contextmanager
    def lost_on_the_way_to(self, queue):
        """The topic takes messages and none comes to this queue, as where its policy does not let SNS in."""
        self.sns("Unsubscribe", SubscriptionArn=self.subscribe(queue))    # again, which makes no second one
        yield
        self.subscribe(queue)

    def alarm_topic(self, topic, queue):
        """A topic for notices and a queue that hears of them; the topic's ARN."""
        self.sns("CreateTopic", Name=topic)
        self._make_queue(queue)
        self.subscribe(queue, topic)
        return f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}"

    def received_texts(self, queue):
        """Bodies, taken off the queue."""
        taken = self.receive(queue, visibility_s=30)
        for message in taken:
            self.sqs("DeleteMessage", queue=queue, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in taken]

    # -- Looking and meddling --
    def standing(self, queue):
        """Messages in a queue, hidden and delayed ones too. Receives nothing."""
        counts = self.sqs("GetQueueAttributes", queue=queue, AttributeNames=["All"])["Attributes"]
        return sum(int(counts.get(name, 0)) for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                                                         "ApproximateNumberOfMessagesDelayed"))

    def put(self, queue, body):
        self.sqs("SendMessage", queue=queue, MessageBody=body)

    def receive(self, queue, visibility_s=0, wait_s=0):
        """Receives up to ten; they are visible again after visibility_s."""
        return self.sqs("ReceiveMessage", queue=queue, MaxNumberOfMessages=10, VisibilityTimeout=visibility_s,
                        WaitTimeSeconds=wait_s, MessageAttributeNames=["All"],
                        MessageSystemAttributeNames=["All"]).get("Messages", [])

    def messages(self, queue):
        """What stands in a queue, in whatever state, looked at from behind: no receive."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/_fauxqs/queues/{queue}")
            there = json.load(connection.getresponse())["messages"]
        finally:
            connection.close()
        return there["ready"] + there["delayed"] + [one["message"] for one in there["inflight"]]

    def drain_into_dlq(self, queue, wanted, deadline_s=20):
        """Receives again and again, as workers that keep dying do, until the queue's own policy has moved `wanted` messages."""
        ends = time.monotonic() + deadline_s
        while self.standing(queue + "-dlq") < wanted:
            assert time.monotonic() < ends, f"{queue} moves nothing to its DLQ"
            self.receive(queue)

    def close(self):
        if self._process.stdin:
            self._process.stdin.close()
        process.end(self._process)
        self._log.close()
