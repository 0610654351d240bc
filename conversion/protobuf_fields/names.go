package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
)

// names holds, by message and field, what Go calls the types of a field, of its elements and of theirs, where that does
// not follow from the schema of the field: named types that are no structs, maps by named keys, structs of other
// packages than v1. The decoder's errors have these names. Levels that need none are empty.
type names struct {
	found map[string]map[string][]string
	seen  map[reflect.Type]bool
}

func writeNames() error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	n := &names{found: map[string]map[string][]string{}, seen: map[reflect.Type]bool{}}
	for gvk, goType := range scheme.AllKnownTypes() {
		if gvk.Version != "__internal" {
			n.visit(goType)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	return encoder.Encode(n.found)
}

func (n *names) visit(goType reflect.Type) {
	if n.seen[goType] || goType.Kind() != reflect.Struct {
		return
	}
	n.seen[goType] = true
	for i := range goType.NumField() {
		field := goType.Field(i)
		levels := []string{}
		needed := false
		for inner := field.Type; ; {
			for inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			name := nameToTell(inner)
			needed = needed || name != ""
			levels = append(levels, name)
			if inner.Kind() != reflect.Slice && inner.Kind() != reflect.Map {
				n.visit(inner)
				break
			}
			inner = inner.Elem()
		}
		jsonName, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if needed && jsonName != "" && jsonName != "-" {
			of := nameOf(goType)
			if n.found[of] == nil {
				n.found[of] = map[string][]string{}
			}
			n.found[of][jsonName] = levels
		}
	}
}

func nameToTell(goType reflect.Type) string {
	switch {
	case special[goType.PkgPath()+"."+goType.Name()] != "":
		return ""
	case goType.Kind() == reflect.Struct && strings.HasPrefix(goType.String(), "v1."):
		return ""
	case goType.PkgPath() != "":
		return goType.String()
	case goType.Kind() == reflect.Map && goType.Key().PkgPath() != "":
		return goType.String()
	}
	return ""
}
