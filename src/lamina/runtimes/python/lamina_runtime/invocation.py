"""What a handler is called with: the event and the context object (Lambda Developer Guide, "Python context object")."""

import json
import sys
import time

from lamina_runtime.faults import Fault


def payload_of(invocation):
    """The event of an invocation as Python objects. Raises ``Fault`` when it is not JSON."""
    try:
        return json.loads(invocation.payload.decode("utf-8"))
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: {}".format(error)) from None


_FUNCTION = {
    "log_group_name": "AWS_LAMBDA_LOG_GROUP_NAME",
    "log_stream_name": "AWS_LAMBDA_LOG_STREAM_NAME",
    "function_name": "AWS_LAMBDA_FUNCTION_NAME",
    "memory_limit_in_mb": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "function_version": "AWS_LAMBDA_FUNCTION_VERSION",
}


def function_of(environment):
    """The attributes of the context object that are the same for all invocations; all are text."""
    return {attribute: environment.get(variable) for attribute, variable in _FUNCTION.items()}


class Context:
    """The context object of one invocation; ``function`` is what ``function_of`` gave."""

    def __init__(self, invocation, function):
        self.aws_request_id = invocation.request_id
        self.__dict__.update(function)
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id
        self.client_context = _client_context(invocation.client_context)
        self.identity = CognitoIdentity(invocation.cognito_identity)
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation times out; never negative."""
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        """Write the message to the log as it is."""
        sys.stdout.write(str(message))

    def __repr__(self):
        shown = ("{}={}".format(name, value) for name, value in vars(self).items() if name[0] != "_")
        return "LambdaContext([{}])".format(",".join(shown))


class CognitoIdentity:
    """The Cognito identity that authorised the request; both attributes are None without one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, text):
        identity = (json.loads(text) if text else None) or {}
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def __repr__(self):
        return "CognitoIdentity([cognito_identity_id={},cognito_identity_pool_id={}])".format(
            self.cognito_identity_id, self.cognito_identity_pool_id
        )


class ClientContext:
    """What a mobile client sent about itself."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields):
        self.custom = fields.get("custom")
        self.env = fields.get("env")
        self.client = Client(fields["client"]) if isinstance(fields.get("client"), dict) else None

    def __repr__(self):
        return "ClientContext([custom={},env={},client={}])".format(self.custom, self.env, self.client)


class Client:
    """The application of a mobile client."""

    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self):
        return "Client([{}])".format(",".join("{}={}".format(name, getattr(self, name)) for name in self.__slots__))


def _client_context(text):
    fields = json.loads(text) if text else None
    return ClientContext(fields) if isinstance(fields, dict) else None
