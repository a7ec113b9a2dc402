// A function that was built without the old protocol: it speaks the Runtime API itself.
package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
)

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(next.Body)
		next.Body.Close()
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		answer, err := http.Post(base+id+"/response", "application/json", bytes.NewReader(append([]byte{'['}, append(body, ']')...)))
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
	}
}
