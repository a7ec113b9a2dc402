#!/bin/sh
# Starts the bootstrap that a function of an OS-only runtime brings itself: the package's, or else a layer's.
task="${LAMBDA_TASK_ROOT:-/var/task}"
layers="${LAMINA_LAYERS_ROOT:-/opt}"
unset LAMINA_LAYERS_ROOT

for bootstrap in "$task/bootstrap" "$layers/bootstrap"; do
    if [ -f "$bootstrap" ] && [ -x "$bootstrap" ]; then
        exec "$bootstrap"
    fi
done

message="Couldn't find valid bootstrap(s): [$task/bootstrap $layers/bootstrap]"
echo "$message" >&2

# The POSIX shell has no sockets, but bash has.
command -v bash >/dev/null || exit 127
export message
exec bash -c '
    body="{\"errorType\":\"Runtime.InvalidEntrypoint\",\"errorMessage\":\"$message\"}"
    exec 4<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}" || exit 127
    printf "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: %s\r\nLambda-Runtime-Function-Error-Type: %s\r\n" \
        "$AWS_LAMBDA_RUNTIME_API" Runtime.InvalidEntrypoint >&4
    printf "Content-Type: application/vnd.aws.lambda.error+json\r\nContent-Length: %d\r\n\r\n%s" "${#body}" "$body" >&4
    read -r status <&4
    exit 127
'
