package main

// Reads lines "format hex"; prints a JSON line each: {"out": value-json-or-yaml, "err": text, "strict": [...]}.
import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

type res struct {
	Out    string   `json:"out"`
	Err    string   `json:"err"`
	Strict []string `json:"strict"`
}

func main() {
	sc := bufio.NewScanner(os.Stdin)
	sc.Buffer(make([]byte, 1<<24), 1<<24)
	for sc.Scan() {
		f, h, _ := strings.Cut(sc.Text(), " ")
		data, _ := hex.DecodeString(h)
		r := res{}
		var v interface{}
		switch f {
		case "json":
			errs, err := kjson.UnmarshalStrict(data, &v)
			for _, e := range errs {
				r.Strict = append(r.Strict, e.Error())
			}
			if err != nil {
				r.Err = err.Error()
			}
		case "yaml":
			j, err := yaml.YAMLToJSON(data)
			if err != nil {
				r.Err = err.Error()
			} else {
				if _, e := yaml.YAMLToJSONStrict(data); e != nil {
					r.Strict = append(r.Strict, e.Error())
				}
				if err := kjson.UnmarshalCaseSensitivePreserveInts(j, &v); err != nil {
					r.Err = err.Error()
				}
			}
		case "toyaml":
			y, err := yaml.JSONToYAML(data)
			if err != nil {
				r.Err = err.Error()
			}
			r.Out = string(y)
		case "cbor":
			if err := direct.Unmarshal(data, &v); err != nil {
				r.Err = err.Error()
			}
		case "tocbor":
			if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &v); err != nil {
				r.Err = err.Error()
			}
			b, err := direct.Marshal(v)
			if err != nil {
				r.Err = err.Error()
			}
			r.Out = hex.EncodeToString(b)
		}
		if r.Out == "" && r.Err == "" {
			b, err := json.Marshal(v)
			if err != nil {
				r.Err = err.Error()
			}
			r.Out = string(b)
		}
		b, _ := json.Marshal(r)
		fmt.Println(string(b))
	}
}
