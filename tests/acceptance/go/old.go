// A function as aws-lambda-go built them: the same service and the same messages, with the standard library alone.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"time"
)

type PingRequest struct{}
type PingResponse struct{}

type InvokeRequest_Timestamp struct {
	Seconds int64
	Nanos   int64
}

type InvokeRequest struct {
	Payload               []byte
	RequestId             string
	XAmznTraceId          string
	Deadline              InvokeRequest_Timestamp
	InvokedFunctionArn    string
	CognitoIdentityId     string
	CognitoIdentityPoolId string
	ClientContext         []byte
}

type InvokeResponse_Error_StackFrame struct {
	Path  string
	Line  int32
	Label string
}

type InvokeResponse_Error struct {
	Message    string
	Type       string
	StackTrace []*InvokeResponse_Error_StackFrame
	ShouldExit bool
}

type InvokeResponse struct {
	Payload []byte
	Error   *InvokeResponse_Error
}

type Function struct{ count int }

func (fn *Function) Ping(req *PingRequest, response *PingResponse) error {
	*response = PingResponse{}
	return nil
}

func (fn *Function) Invoke(req *InvokeRequest, response *InvokeResponse) error {
	fn.count++
	var event string
	json.Unmarshal(req.Payload, &event)
	fmt.Println("invoked", fn.count)
	switch event {
	case "fail":
		response.Error = &InvokeResponse_Error{Message: "no lück", Type: "errorString"}
	case "panic":
		frame := &InvokeResponse_Error_StackFrame{Path: "main.go", Line: 7, Label: "main.handler"}
		response.Error = &InvokeResponse_Error{Message: "oh", Type: "string", ShouldExit: true,
			StackTrace: []*InvokeResponse_Error_StackFrame{frame}}
	case "exit":
		os.Exit(3)
	case "refuse":
		return fmt.Errorf("not today")
	default:
		left := time.Until(time.Unix(req.Deadline.Seconds, req.Deadline.Nanos))
		answer := map[string]interface{}{"event": json.RawMessage(req.Payload), "id": req.RequestId,
			"arn": req.InvokedFunctionArn, "left": left.Milliseconds(), "count": fn.count,
			"trace": req.XAmznTraceId != "", "context": string(req.ClientContext), "handler": os.Getenv("_HANDLER")}
		response.Payload, _ = json.Marshal(answer)
	}
	return nil
}

func main() {
	listener, err := net.Listen("tcp", "localhost:"+os.Getenv("_LAMBDA_SERVER_PORT"))
	if err != nil {
		panic(err)
	}
	rpc.Register(new(Function))
	rpc.Accept(listener)
}
