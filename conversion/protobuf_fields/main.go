// Program protobuf_fields writes the table of protobuf fields that conversion.protobuf_codec reads:
//
//	go run . table > ../protobuf_fields.json
//
// and, for the codec's tests, what Go's own serializer makes of JSON objects, one a line:
//
//	go run . encode < objects > encoded
//
// and, for the schemas of built-in kinds, what Go calls the types of fields:
//
//	go run . names > go_names.json
//
// and, for warnings, since when a version of a kind is deprecated, until when it was served and what replaces it:
//
//	go run . lifecycle > ../../watchd/registry/builtin/lifecycle.json
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func() error{"table": writeTable, "encode": encodeLines, "names": writeNames, "lifecycle": writeLifecycle}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: protobuf_fields table|encode|names|lifecycle")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
