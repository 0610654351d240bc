package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// question is one line that tests/clients/test_go_types.py asks of Go's types: what they make of an
// object, of its change into a modified one, or of a patch; or of a quantity, or two and what is to be
// done with them.
type question struct {
	Group, Version, Kind    string
	Object, Modified, Patch json.RawMessage
	Quantity                []string
}

// reply says what became of it. Strict holds the warnings of the strict decoder.
type reply struct {
	Error   string          `json:"error,omitempty"`
	Strict  string          `json:"strict,omitempty"`
	Decoded json.RawMessage `json:"decoded,omitempty"`
	Stored  json.RawMessage `json:"stored,omitempty"`
	Owned   json.RawMessage `json:"owned,omitempty"`
	Patch   json.RawMessage `json:"patch,omitempty"`
	Patched json.RawMessage `json:"patched,omitempty"`
	Misfit  string          `json:"misfit,omitempty"` // why the patched object is none of the kind

	// Quantity is of one its canonical form, sign, AsInt64 and whether there is one, Value, MilliValue and
	// format; of two the sign of their comparison, or of their sum or difference the first four.
	Quantity []any `json:"quantity,omitempty"`
}

type goTypes struct {
	strict, plain runtime.Serializer
	proto         *protobuf.Serializer
	converter     managedfields.TypeConverter
}

// answerTypes answers questions until there are no more.
func answerTypes(in io.Reader, out io.Writer) error {
	all := scheme.Scheme
	t := goTypes{
		strict:    kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, all, all, kjson.SerializerOptions{Strict: true}),
		plain:     kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, all, all, kjson.SerializerOptions{}),
		proto:     protobuf.NewSerializer(all, all),
		converter: applyconfigurations.NewTypeConverter(all),
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	buffered := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if err := encoder.Encode(t.answer(q)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

func (t goTypes) answer(q question) (r reply) {
	// Patches with keys that cannot be compared are a panic there.
	defer func() {
		if problem := recover(); problem != nil {
			r = reply{Error: fmt.Sprintf("panic: %v", problem)}
		}
	}()
	var err error
	if q.Quantity != nil {
		err = calculate(q.Quantity, &r)
	} else if q.Modified == nil && q.Patch == nil {
		err = t.read(q, &r)
	} else {
		err = t.merge(q, &r)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// read decodes an object, stores it as protobuf and says which fields it has.
func (t goTypes) read(q question, r *reply) error {
	kind := schema.GroupVersionKind{Group: q.Group, Version: q.Version, Kind: q.Kind}
	object, _, err := t.strict.Decode(q.Object, &kind, nil)
	if err != nil && !runtime.IsStrictDecodingError(err) {
		return err
	}
	if err != nil {
		r.Strict = err.Error()
	}
	object.GetObjectKind().SetGroupVersionKind(kind)
	if r.Decoded, err = t.text(object); err != nil {
		return err
	}
	var stored bytes.Buffer
	if err := t.proto.Encode(object, &stored); err != nil {
		return err
	}
	back := reflect.New(reflect.TypeOf(object).Elem()).Interface().(runtime.Object)
	if _, _, err := t.proto.Decode(stored.Bytes(), &kind, back); err != nil {
		return err
	}
	back.GetObjectKind().SetGroupVersionKind(kind)
	if r.Stored, err = t.text(back); err != nil {
		return err
	}
	value, err := t.converter.ObjectToTyped(object, typed.AllowDuplicates)
	if err != nil {
		return nil // types of reviews have no owners
	}
	fields, err := value.ToFieldSet()
	if err != nil {
		return err
	}
	r.Owned, err = fields.ToJSON()
	return err
}

func (t goTypes) text(object runtime.Object) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := t.plain.Encode(object, &out); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// merge applies a strategic merge patch, or the one that leads to the modified object.
func (t goTypes) merge(q question, r *reply) error {
	object, err := scheme.Scheme.New(schema.GroupVersionKind{Group: q.Group, Version: q.Version, Kind: q.Kind})
	if err != nil {
		return err
	}
	r.Patch = q.Patch
	if q.Modified != nil {
		if r.Patch, err = strategicpatch.CreateTwoWayMergePatch(q.Object, q.Modified, object); err != nil {
			return err
		}
	}
	if r.Patched, err = strategicpatch.StrategicMergePatch(q.Object, r.Patch, object); err != nil {
		return err
	}
	var fields map[string]any
	if err := utiljson.Unmarshal(r.Patched, &fields); err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, object); err != nil {
		r.Misfit = err.Error()
	}
	return nil
}

func calculate(asked []string, r *reply) error {
	one, err := resource.ParseQuantity(asked[0])
	if err != nil {
		return err
	}
	if len(asked) == 1 {
		written, err := json.Marshal(one)
		if err != nil {
			return err
		}
		number, held := one.AsInt64()
		r.Quantity = []any{json.RawMessage(written), one.Sign(), number, held, one.Value(), one.MilliValue(), one.Format}
		return nil
	}
	other, err := resource.ParseQuantity(asked[2])
	if err != nil {
		return err
	}
	switch asked[1] {
	case "cmp":
		r.Quantity = []any{one.Cmp(other)}
		return nil
	case "add":
		one.Add(other)
	case "sub":
		one.Sub(other)
	default:
		return fmt.Errorf("unknown operation %q", asked[1])
	}
	number, held := one.AsInt64()
	r.Quantity = []any{one.String(), one.Sign(), number, held}
	return nil
}
