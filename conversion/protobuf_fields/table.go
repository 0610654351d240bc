package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Messages whose JSON is not an object of their fields; the codec has code for each. Every other type with JSON of its
// own stops the program.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                                         "Quantity",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":                                             "Time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":                                        "MicroTime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":                                         "Raw",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":                                          "RawExtension",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":                                       "IntOrString",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON":                         "Raw",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":       "SchemaOrArray",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool":        "SchemaOrBool",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "SchemaOrStringArray",
}

var (
	marshaler   = reflect.TypeFor[json.Marshaler]()
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	message     = reflect.TypeFor[interface{ Unmarshal([]byte) error }]()
	typeMeta    = reflect.TypeFor[metav1.TypeMeta]()
)

type table struct {
	Source   map[string]string            `json:"source"`
	Kinds    map[string]map[string]string `json:"kinds"`
	Anywhere map[string]string            `json:"anywhere"`
	Messages map[string]any               `json:"messages"`
}

func writeTable() error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	t := &table{Source: sources(), Kinds: map[string]map[string]string{}, Anywhere: map[string]string{}, Messages: map[string]any{}}
	for gvk, goType := range scheme.AllKnownTypes() {
		if gvk.Version == "__internal" || !reflect.PointerTo(goType).Implements(message) {
			continue
		}
		name, err := t.message(goType)
		if err != nil {
			return fmt.Errorf("%s: %w", gvk, err)
		}
		if goType.PkgPath() == typeMeta.PkgPath() && gvk.Group != metav1.GroupName && gvk.Group != "" {
			continue // registered with every group: WatchEvent, the options
		}
		version := gvk.GroupVersion().String()
		if t.Kinds[version] == nil {
			t.Kinds[version] = map[string]string{}
		}
		t.Kinds[version][gvk.Kind] = name
	}
	for _, goType := range []reflect.Type{
		reflect.TypeFor[metav1.DeleteOptions](), reflect.TypeFor[metav1.CreateOptions](), reflect.TypeFor[metav1.UpdateOptions](),
		reflect.TypeFor[metav1.PatchOptions](), reflect.TypeFor[metav1.ListOptions](), reflect.TypeFor[metav1.GetOptions](),
		reflect.TypeFor[metav1.WatchEvent](),
	} {
		if t.Anywhere[goType.Name()], err = t.message(goType); err != nil {
			return err
		}
	}
	return t.write()
}

// write prints the table with a line for each message, so that its changes can be read.
func (t *table) write() error {
	var out bytes.Buffer
	section := func(name string, keys []string, value func(string) any) error {
		sort.Strings(keys)
		fmt.Fprintf(&out, "%q: {\n", name)
		for i, key := range keys {
			line, err := json.Marshal(value(key))
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%q: %s%s\n", key, line, map[bool]string{true: ","}[i < len(keys)-1])
		}
		fmt.Fprint(&out, "}")
		return nil
	}
	out.WriteString("{")
	if err := section("source", keysOf(t.Source), func(k string) any { return t.Source[k] }); err != nil {
		return err
	}
	out.WriteString(",\n")
	if err := section("kinds", keysOf(t.Kinds), func(k string) any { return t.Kinds[k] }); err != nil {
		return err
	}
	out.WriteString(",\n")
	if err := section("anywhere", keysOf(t.Anywhere), func(k string) any { return t.Anywhere[k] }); err != nil {
		return err
	}
	out.WriteString(",\n")
	if err := section("messages", keysOf(t.Messages), func(k string) any { return t.Messages[k] }); err != nil {
		return err
	}
	out.WriteString("}\n")
	_, err := os.Stdout.Write(out.Bytes())
	return err
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// sources returns the versions of the modules that the table is made from.
func sources() map[string]string {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			switch module.Path {
			case "k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator":
				found[module.Path] = module.Version
			}
		}
	}
	return found
}

// nameOf shortens "k8s.io/api/core/v1".Pod to core.v1.Pod.
func nameOf(goType reflect.Type) string {
	parts := strings.Split(goType.PkgPath(), "/")
	last := parts[len(parts)-1]
	if strings.HasPrefix(last, "v") && len(parts) > 1 {
		last = parts[len(parts)-2] + "." + last
	}
	return last + "." + goType.Name()
}

// message describes a type, and all types that it reaches, and returns its name.
func (t *table) message(goType reflect.Type) (string, error) {
	name := nameOf(goType)
	if _, ok := t.Messages[name]; ok {
		return name, nil
	}
	if form, ok := special[goType.PkgPath()+"."+goType.Name()]; ok {
		t.Messages[name] = form
		if goType.Kind() == reflect.Struct { // what it may hold
			for i := range goType.NumField() {
				field := goType.Field(i)
				if tag := field.Tag.Get("protobuf"); tag != "" && tag != "-" {
					if _, err := t.typeOf(field.Type); err != nil {
						return "", fmt.Errorf("%s.%s: %w", name, field.Name, err)
					}
				}
			}
		}
		return name, nil
	}
	if pointer := reflect.PointerTo(goType); pointer.Implements(marshaler) || pointer.Implements(unmarshaler) {
		return "", fmt.Errorf("%s has JSON of its own", goType)
	}
	if !reflect.PointerTo(goType).Implements(message) {
		return "", fmt.Errorf("%s is no message", goType)
	}
	if goType.Kind() == reflect.Slice { // a list that is a message of its own: {items = 1}
		t.Messages[name] = ""
		item, err := t.typeOf(goType.Elem())
		t.Messages[name] = "[]" + item
		return name, err
	}
	t.Messages[name] = nil
	fields := [][]any{}
	numbers, names := map[int]bool{}, map[string]bool{}
	for i := range goType.NumField() {
		field := goType.Field(i)
		entry, err := t.field(field)
		if err != nil {
			return "", fmt.Errorf("%s.%s: %w", name, field.Name, err)
		}
		if entry == nil {
			continue
		}
		number, jsonName := entry[1].(int), entry[0].(string)
		if numbers[number] || (jsonName != "" && names[jsonName]) {
			return "", fmt.Errorf("%s.%s stands twice", name, field.Name)
		}
		numbers[number], names[jsonName] = true, true
		fields = append(fields, entry)
	}
	t.Messages[name] = fields
	return name, nil
}

// field describes a field as [name, number, type, flags]; the flags only where there are any. A field whose JSON stands
// among its parent's has no name.
func (t *table) field(field reflect.StructField) ([]any, error) {
	tag := field.Tag.Get("protobuf")
	jsonName, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	inline := field.Anonymous && jsonName == ""
	if tag == "" || tag == "-" {
		if field.Type == typeMeta || jsonName == "-" || !field.IsExported() {
			return nil, nil
		}
		return nil, fmt.Errorf("no protobuf tag")
	}
	number, err := strconv.Atoi(strings.Split(tag, ",")[1])
	if err != nil {
		return nil, err
	}
	if (jsonName == "" || jsonName == "-") && !inline {
		return nil, fmt.Errorf("no JSON name")
	}
	typeName, err := t.typeOf(field.Type)
	if err != nil {
		return nil, err
	}
	if inline && strings.HasPrefix(typeName, "*") {
		return nil, fmt.Errorf("an inline pointer")
	}
	flags := ""
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "omitempty":
			flags += "o"
		case "omitzero":
			if typeName != "meta.v1.Time" {
				return nil, fmt.Errorf("omitzero")
			}
			flags += "z"
		case "", "inline":
		default:
			return nil, fmt.Errorf("unknown JSON option %q", option)
		}
	}
	entry := []any{jsonName, number, typeName}
	if flags != "" {
		entry = append(entry, flags)
	}
	return entry, nil
}

// typeOf writes a type as Go does, with the names of this table.
func (t *table) typeOf(goType reflect.Type) (string, error) {
	if reflect.PointerTo(goType).Implements(message) && goType.Kind() != reflect.Pointer {
		return t.message(goType)
	}
	switch goType.Kind() {
	case reflect.Pointer:
		elem, err := t.typeOf(goType.Elem())
		return "*" + elem, err
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		elem, err := t.typeOf(goType.Elem())
		return "[]" + elem, err
	case reflect.Map:
		if goType.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map by %s", goType.Key())
		}
		elem, err := t.typeOf(goType.Elem())
		return "{}" + elem, err
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "bool", nil
	case reflect.Int32:
		return "int32", nil
	case reflect.Int64:
		return "int64", nil
	case reflect.Float64:
		return "double", nil
	}
	return "", fmt.Errorf("a field of type %s", goType)
}
