package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

const maxLine = 1 << 24 // bytes of one object

type encoded struct {
	Protobuf []byte          `json:"protobuf"` // base64
	JSON     json.RawMessage `json:"json"`     // what is read back from it
}

// encodeLines reads an object of JSON a line, and writes a line of what Go makes of it.
func encodeLines() error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	serializer := protobuf.NewSerializer(scheme, scheme)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var meta struct{ APIVersion, Kind string }
		if err := json.Unmarshal(lines.Bytes(), &meta); err != nil {
			return err
		}
		object, err := scheme.New(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(lines.Bytes(), object); err != nil {
			return fmt.Errorf("%s, %s: %w", meta.APIVersion, meta.Kind, err)
		}
		var written bytes.Buffer
		if err := serializer.Encode(object, &written); err != nil {
			return err
		}
		read, _, err := serializer.Decode(written.Bytes(), nil, nil)
		if err != nil {
			return err
		}
		shown, err := json.Marshal(read)
		if err != nil {
			return err
		}
		if err := out.Encode(encoded{written.Bytes(), shown}); err != nil {
			return err
		}
	}
	return lines.Err()
}
