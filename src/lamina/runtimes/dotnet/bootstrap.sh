#!/bin/sh
# Starts an executable assembly, which brings AWS's Amazon.Lambda.RuntimeSupport. The word is the program dotnet.
assembly="${LAMBDA_TASK_ROOT:-/var/task}/$_HANDLER.dll"

case $_HANDLER in
*::*)
    message="The handler $_HANDLER is in a class library, which only AWS's own loader can start. Make the function an"
    message="$message executable assembly with Amazon.Lambda.RuntimeSupport, or run $LAMBDA_RUNTIME_NAME in AWS's image:"
    message="$message lamina runtimes add $LAMBDA_RUNTIME_NAME --image URI"
    ;;
*)
    [ -f "$assembly" ] && exec "$1" "$assembly"
    message="Couldn't find valid assembly: [$assembly]"
    ;;
esac
echo "$message" >&2

# The POSIX shell has no sockets, but bash has.
command -v bash >/dev/null || exit 127
escaped=$(printf '%s' "$message" | sed 's/[\\"]/\\&/g')
export escaped
exec bash -c '
    body="{\"errorType\":\"Runtime.InvalidEntrypoint\",\"errorMessage\":\"$escaped\"}"
    length=$(printf %s "$body" | wc -c)
    exec 4<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}" || exit 127
    printf "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: %s\r\nLambda-Runtime-Function-Error-Type: %s\r\n" \
        "$AWS_LAMBDA_RUNTIME_API" Runtime.InvalidEntrypoint >&4
    printf "Content-Type: application/vnd.aws.lambda.error+json\r\nContent-Length: %d\r\n\r\n%s" "$length" "$body" >&4
    read -r status <&4
    exit 127
'
