"""AWS for tests of `usherd provision`: SNS, SQS and STS are fauxqs (tests/aws), a process of its own; before it stands
a door that answers CloudWatch's two calls, which fauxqs has not, and can refuse.

The door keeps alarms as CloudWatch does: a put needs its parameters, numbers each list from 1 without a gap, and replaces
the whole alarm; a look shows more of an alarm than was put. It also looks at who asks: every request must be signed for
the service whose action it is."""

import http.client
import http.server
import json
import re
import subprocess
import threading
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from . import planted

ACCOUNT = "000000000000"    # fauxqs's
REGION = "ap-northeast-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": planted.AWS_KEY,
               "AWS_EC2_METADATA_DISABLED": "true"}
ALARM_NEEDS = {"AlarmName", "MetricName", "Namespace", "Statistic", "Period", "EvaluationPeriods", "Threshold",
               "ComparisonOperator", "Dimensions.member.1.Name", "Dimensions.member.1.Value"}
ALARM_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")
ACTIONS_MAX = 5     # in each of them
SERVICE_OF = {"GetCallerIdentity": "sts", "DescribeAlarms": "monitoring", "PutMetricAlarm": "monitoring"}
DEADLINE_S = 20


class Refusal(Exception):
    def __init__(self, status, kind, words):
        super().__init__(words)
        self.status, self.kind, self.words = status, kind, words


class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):      # quiet
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = self.headers.get("X-Amz-Target")
        query = {} if target else dict(parse_qsl(body.decode(), keep_blank_values=True))
        action = target.partition(".")[2] if target else query["Action"]
        try:
            status, kind, text = self.server.cloud.answer(action, query, body, self.headers)
        except Refusal as refusal:
            status, kind, text = self._refusal(refusal, bool(target))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    @staticmethod
    def _refusal(refusal, is_json):
        if is_json:
            text = json.dumps({"__type": f"com.amazon.coral.service#{refusal.kind}", "message": refusal.words})
            return refusal.status, "application/x-amz-json-1.0", text.encode()
        text = (f"<ErrorResponse><Error><Type>Sender</Type><Code>{refusal.kind}</Code>"
                f"<Message>{escape(refusal.words)}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>")
        return refusal.status, "text/xml", text.encode()


class Cloud:
    """`alarms`: name -> parameters as they were put. `calls`: the actions asked for, in their order."""

    def __init__(self, folder):
        node = next(folder.glob("node_modules/node-linux-*/bin/node"))
        self._fauxqs = subprocess.Popen([str(node), "--no-warnings", "server.mjs"], cwd=folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, encoding="ascii")
        self._port = int(self._fauxqs.stdout.readline().split()[1])
        self.alarms, self.calls, self.refusals, self.has_cloudwatch = {}, [], {}, True
        self.more_of_topics = {}    # attributes that SNS tells before its own
        self._door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Door)
        self._door.cloud, self._door.daemon_threads = self, True
        self._thread = threading.Thread(target=self._door.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._door.server_port}"

    def close(self):
        self._door.shutdown()
        self._door.server_close()
        self._thread.join(DEADLINE_S)
        self._fauxqs.stdin.close()      # it ends by itself when we are gone
        self._fauxqs.wait(DEADLINE_S)
        self._fauxqs.stdout.close()

    def refuse(self, action, status, kind, words):
        self.refusals[action] = Refusal(status, kind, words)

    def answer(self, action, query, body, headers):
        self.calls.append(action)
        service = SERVICE_OF.get(action, "sns" if query else "sqs")
        scope = rf"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{{8}}/{REGION}/{service}/aws4_request,"
        if not re.match(scope, headers.get("Authorization", "")):
            raise Refusal(403, "SignatureDoesNotMatch", f"{action} is not signed for {service}")
        if action in self.refusals:
            raise self.refusals[action]
        if self.has_cloudwatch and service == "monitoring":
            return 200, "text/xml", getattr(self, f"_{action}")(query).encode()
        status, kind, text = self._forward(body, headers)
        if action == "GetTopicAttributes":
            more = "".join(f"<entry><key>{k}</key><value>{v}</value></entry>" for k, v in self.more_of_topics.items())
            text = text.replace(b"<Attributes>", f"<Attributes>{more}".encode())
        return status, kind, text

    def _forward(self, body, headers):
        passed = {name: headers[name] for name in ("Authorization", "Content-Type", "X-Amz-Target") if name in headers}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        try:
            connection.request("POST", "/", body, passed)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()

    # -- CloudWatch --
    @staticmethod
    def _numbers(query, name):
        """Of a list's members, in the order of their numbers, which must be all from 1 on."""
        there = sorted({int(key.split(".")[2]) for key in query if key.startswith(f"{name}.member.")})
        if there != list(range(1, len(there) + 1)):
            raise Refusal(400, "MalformedInput", f"{name} has the members {there}")
        return there

    def _PutMetricAlarm(self, query):
        missing = ALARM_NEEDS - query.keys()
        if missing:
            raise Refusal(400, "ValidationError", f"missing: {sorted(missing)}")
        if int(query.get("DatapointsToAlarm", 0)) > int(query["EvaluationPeriods"]):
            raise Refusal(400, "ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods")
        self._numbers(query, "Dimensions")
        for name in ALARM_LISTS:
            if len(self._numbers(query, name)) > ACTIONS_MAX:
                raise Refusal(400, "ValidationError", f"{name} must have length less than or equal to {ACTIONS_MAX}")
        self.alarms[query["AlarmName"]] = {k: v for k, v in query.items() if k not in ("Action", "Version")}
        return "<PutMetricAlarmResponse><ResponseMetadata/></PutMetricAlarmResponse>"

    def _DescribeAlarms(self, query):
        wanted = [query[f"AlarmNames.member.{n}"] for n in self._numbers(query, "AlarmNames")]
        members = "".join(self._member(self.alarms[name]) for name in wanted if name in self.alarms)
        return ('<DescribeAlarmsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmsResult>'
                f"<MetricAlarms>{members}</MetricAlarms><CompositeAlarms/></DescribeAlarmsResult></DescribeAlarmsResponse>")

    @staticmethod
    def _member(alarm):
        """All that CloudWatch tells of an alarm, the lists first: it promises no order."""
        text = ""
        for name in ALARM_LISTS:
            items = [value for key, value in alarm.items() if key.startswith(name + ".")]
            text += f"<{name}>" + "".join(f"<member>{escape(item)}</member>" for item in items) + f"</{name}>"
        plain = {"AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm['AlarmName']}", "StateValue": "OK",
                 "StateReason": "Threshold Crossed", "StateReasonData": "{}", "ActionsEnabled": "true"}
        plain.update({name: "2026-01-01T00:00:00.000Z" for name in ("StateUpdatedTimestamp", "StateTransitionedTimestamp",
                                                                    "AlarmConfigurationUpdatedTimestamp")})
        plain.update({key: value for key, value in alarm.items() if "." not in key})
        plain["Threshold"] = str(float(plain["Threshold"]))
        text += "".join(f"<{key}>{escape(value)}</{key}>" for key, value in plain.items())
        dimension = (f"<Value>{alarm['Dimensions.member.1.Value']}</Value>"
                     f"<Name>{alarm['Dimensions.member.1.Name']}</Name>")
        return f"<member><Dimensions><member>{dimension}</member></Dimensions>{text}</member>"

    # -- For tests: as somebody else would ask --
    def sqs(self, action, **arguments):
        scope = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host"
        headers = {"Authorization": scope, "Content-Type": "application/x-amz-json-1.0",
                   "X-Amz-Target": f"AmazonSQS.{action}"}
        status, _, text = self._forward(json.dumps(arguments).encode(), headers)
        assert status == 200, text
        return json.loads(text or b"{}")

    def queue(self, name, *attributes):
        """Attributes of a queue, by name."""
        url = self.sqs("GetQueueUrl", QueueName=name)["QueueUrl"]
        return self.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=list(attributes) or ["All"])["Attributes"]

    def sns(self, action, **fields):
        scope = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/{REGION}/sns/aws4_request, SignedHeaders=host"
        headers = {"Authorization": scope, "Content-Type": "application/x-www-form-urlencoded"}
        status, _, text = self._forward(urlencode({"Action": action, "Version": "2010-03-31", **fields}).encode(), headers)
        assert status == 200, text
        return text.decode()

    def filter(self, queue, policy):
        """The subscription of that queue lets through what matches."""
        listed = self.sns("ListSubscriptionsByTopic", TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:user-signup")
        members = re.findall(r"<member>(.*?)</member>", listed, re.DOTALL)
        arn = next(re.search(r"<SubscriptionArn>(.*?)</", one)[1] for one in members if f":{queue}</Endpoint>" in one)
        self.sns("SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=policy)

    def change(self, name, **attributes):
        url = self.sqs("GetQueueUrl", QueueName=name)["QueueUrl"]
        self.sqs("SetQueueAttributes", QueueUrl=url, Attributes=attributes)
