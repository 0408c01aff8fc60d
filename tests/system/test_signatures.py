"""Every kind of request that is signed, recomputed by botocore: what the driver sends in each of its operations, and
calls of both protocols with and without a session token, bodies in any script, large and empty ones, and keys that hold
every character keys can hold."""

import dataclasses
import json
import os
import subprocess
import urllib.parse

import pytest
from support.aws_signature import Recorder, authorization, check, recomputed

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "FwoGZXIvYXdzEB/+" * 90 + "=="
REGION = "ap-northeast-2"

QUEUE = "http://sqs.ap-northeast-2.amazonaws.com/123456789012/welcome-email"
TOPIC = "arn:aws:sns:ap-northeast-2:123456789012:user-signup"
UNICODE = "안녕하세요 김민수님 👋 ünï — \"quoted\" \\ \n\t %41+&=;/?#"
BODY = json.dumps({"eventId": "e-1", "name": UNICODE}, ensure_ascii=False)


def json_call(action, **members):
    return "sqs", f"AmazonSQS.{action}", json.dumps({"QueueUrl": QUEUE, **members}, ensure_ascii=False).encode()


def query_call(service, action, version, **members):
    form = {"Action": action, "Version": version, **members}
    return service, "-", urllib.parse.urlencode(form, quote_via=urllib.parse.quote).encode()


CALLS = {
    "ReceiveMessage": json_call("ReceiveMessage", MaxNumberOfMessages=10, WaitTimeSeconds=20,
                                MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]),
    "SendMessageBatch": json_call("SendMessageBatch", Entries=[
        {"Id": str(i), "MessageBody": BODY, "DelaySeconds": 60,
         "MessageAttributes": {"reason": {"DataType": "String", "StringValue": UNICODE}}} for i in range(10)]),
    "DeleteMessageBatch": json_call("DeleteMessageBatch", Entries=[{"Id": "0", "ReceiptHandle": "AQEB+/=" * 30}]),
    "ChangeMessageVisibilityBatch": json_call("ChangeMessageVisibilityBatch", Entries=[
        {"Id": "0", "ReceiptHandle": "AQEB+/=" * 30, "VisibilityTimeout": 300}]),
    "GetQueueAttributes": json_call("GetQueueAttributes", AttributeNames=["All"]),
    "SetQueueAttributes": json_call("SetQueueAttributes", Attributes={"Policy": json.dumps({"Version": "2012-10-17"})}),
    "GetQueueUrl": ("sqs", "AmazonSQS.GetQueueUrl", b'{"QueueName":"welcome-email"}'),
    "CreateQueue": ("sqs", "AmazonSQS.CreateQueue", b'{"QueueName":"welcome-email.fifo","Attributes":{"FifoQueue":"true"}}'),
    "PublishBatch": query_call("sns", "PublishBatch", "2010-03-31", TopicArn=TOPIC, **{
        "PublishBatchRequestEntries.member.1.Id": "0",
        "PublishBatchRequestEntries.member.1.Message": BODY,
        "PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name": "content-encoding",
        "PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.DataType": "String",
        "PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Value.StringValue": "gzip"}),
    "Subscribe": query_call("sns", "Subscribe", "2010-03-31", TopicArn=TOPIC, Protocol="sqs"),
    "GetCallerIdentity": query_call("sts", "GetCallerIdentity", "2011-06-15"),
    "PutMetricAlarm": query_call("monitoring", "PutMetricAlarm", "2010-08-01", AlarmName="usher DLQ – 도착", Threshold="1"),
}
BODIES = {
    "empty": b"",
    "empty object": b"{}",
    "unicode": BODY.encode(),
    "one byte": b"x",
    "a mebibyte": b'{"MessageBody":"' + UNICODE.encode() * 12000 + b'"}',
}


@pytest.fixture
def recorder():
    server = Recorder()
    yield server
    server.close()


@pytest.fixture(scope="module")
def run(build):
    """run(program, arguments..., session_token=, secret_key=): one of tests/aws, on keys of the environment."""
    def run_one(program, *arguments, session_token=None, secret_key=SECRET_KEY):
        made = build / "tests" / "aws" / program
        assert made.exists(), f"{made} is not built: make aws-bins"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret_key}
        environment |= {"AWS_SESSION_TOKEN": session_token} if session_token else {}
        done = subprocess.run([made, *arguments], env=environment, timeout=60, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert secret_key not in done.stdout + done.stderr
    return run_one


@pytest.fixture
def send(run, recorder, tmp_path):
    """send(calls, session_token) -> the requests that arrived, one a call."""
    def send_all(calls, session_token=None, region=REGION, secret_key=SECRET_KEY):
        arguments = []
        for number, (service, target, body) in enumerate(calls):
            path = tmp_path / str(number)
            path.write_bytes(body)
            arguments += [service, target, str(path)]
        before = len(recorder.requests)
        run("sign", recorder.url + "/", region, *arguments, session_token=session_token, secret_key=secret_key)
        arrived = recorder.requests[before:]
        assert [request.body for request in arrived] == [body for _, _, body in calls]
        return arrived
    return send_all


TOKENS = pytest.mark.parametrize("session_token", [None, SESSION_TOKEN], ids=["no token", "session token"])


def service_answer(request):
    """Enough for the driver to go on: a queue's url, and nothing else."""
    if request.action == "GetQueueUrl":
        name = json.loads(request.body)["QueueName"]
        return json.dumps({"QueueUrl": f"http://{request.headers['host']}/000000000000/{name}"}).encode()
    return b"<PublishBatchResponse/>" if request.action == "PublishBatch" else b"{}"


DRIVER_ACTIONS = {"GetQueueUrl": "sqs", "PublishBatch": "sns", "SendMessageBatch": "sqs", "ReceiveMessage": "sqs",
                  "ChangeMessageVisibilityBatch": "sqs", "DeleteMessageBatch": "sqs", "GetQueueAttributes": "sqs"}


@TOKENS
@pytest.mark.parametrize("suffix", ["", ".fifo"], ids=["plain", "fifo"])
def test_all_that_the_driver_sends(run, session_token, suffix):
    server = Recorder(service_answer)
    try:
        run("driver", server.url, REGION, f"welcome-email{suffix}", TOPIC + suffix, BODY, session_token=session_token)
    finally:
        server.close()
    assert {request.action for request in server.requests} == set(DRIVER_ACTIONS)
    for request in server.requests:
        check(request, SECRET_KEY, DRIVER_ACTIONS[request.action], REGION, ACCESS_KEY, session_token)


@TOKENS
def test_every_kind_of_call(send, session_token):
    for (service, _, _), request in zip(CALLS.values(), send(list(CALLS.values()), session_token), strict=True):
        check(request, SECRET_KEY, service, REGION, ACCESS_KEY, session_token)
    # ... and they were what they are called
    assert [request.action for request in send(list(CALLS.values()))] == list(CALLS)


@TOKENS
@pytest.mark.parametrize("target", ["AmazonSQS.SendMessage", "-"], ids=["json", "query"])
def test_every_kind_of_body(send, session_token, target):
    calls = [("sqs", target, body) for body in BODIES.values()]
    for request in send(calls, session_token):
        check(request, SECRET_KEY, "sqs", REGION, ACCESS_KEY, session_token)


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1"])
def test_every_region(send, region):
    [request] = send([CALLS["ReceiveMessage"]], region=region)
    check(request, SECRET_KEY, "sqs", region, ACCESS_KEY)


def test_every_character_of_a_key(send):
    key = "".join(chr(c) for c in range(0x21, 0x7F))
    [request] = send([CALLS["PublishBatch"]], secret_key=key)
    check(request, key, "sns", REGION, ACCESS_KEY)


def test_a_call_between_signed_ones_can_go_unsigned(send):
    """On the same handle and connection: nothing of the keys is left over."""
    sts = ("-", "-", b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15")
    first, between, last = send([CALLS["ReceiveMessage"], sts, CALLS["PublishBatch"]], SESSION_TOKEN)
    check(first, SECRET_KEY, "sqs", REGION, ACCESS_KEY, SESSION_TOKEN)
    check(last, SECRET_KEY, "sns", REGION, ACCESS_KEY, SESSION_TOKEN)
    assert not {"authorization", "x-amz-date", "x-amz-security-token"} & set(between.headers)
    assert ACCESS_KEY not in str(between.headers)


def test_the_check_itself_finds_what_is_wrong(send):
    [request] = send([CALLS["ReceiveMessage"]], SESSION_TOKEN)
    good = authorization(request).signature
    assert recomputed(request, SECRET_KEY) == good
    changed = [
        dataclasses.replace(request, body=request.body + b" "),
        dataclasses.replace(request, path="/?a=1"),
        dataclasses.replace(request, method="PUT"),
        *(dataclasses.replace(request, headers={**request.headers, name: value}) for name, value in (
            ("x-amz-target", "AmazonSQS.DeleteMessage"), ("x-amz-security-token", "other"),
            ("x-amz-date", "20200101T000000Z"), ("host", "sqs.example"))),
    ]
    for one in changed:
        assert recomputed(one, SECRET_KEY) != good, one
    assert recomputed(request, SECRET_KEY + "x") != good
