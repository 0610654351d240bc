// Compiles and evaluates expressions as a custom resource's validation rules are, and prints what came of each.
//
// `go run . < cases.json > expected.json`: cases.py makes the cases. A group of cases is one structural schema; a case is an
// expression with objects to evaluate it on, a definition is a schema to be validated whole with objects to be held against it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type pair struct {
	Self any `json:"self"`
	Old  any `json:"old"`
}

type test struct {
	Expression string `json:"expression"`
	Objects    []pair `json:"objects"`
}

type group struct {
	Schema *v1.JSONSchemaProps `json:"schema"`
	Root   bool                `json:"root"`
	Cases  []test              `json:"cases"`
}

type definition struct {
	Schema  *v1.JSONSchemaProps `json:"schema"`
	Objects []pair              `json:"objects"`
}

type input struct {
	Groups      []group      `json:"groups"`
	Definitions []definition `json:"definitions"`
}

type evaluated struct {
	Value string `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
	Cost  uint64 `json:"cost"`
}

type compiled struct {
	Error   string      `json:"error,omitempty"`
	Type    string      `json:"type,omitempty"`
	Min     uint64      `json:"min"`
	Max     uint64      `json:"max"`
	Objects []evaluated `json:"objects,omitempty"`
}

type problem struct {
	Reason  string `json:"reason"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

type validated struct {
	Errors []problem `json:"errors"`
	Budget int64     `json:"budget"`
}

type checked struct {
	Errors  []problem   `json:"errors"`
	Objects []validated `json:"objects,omitempty"`
}

type output struct {
	Groups      [][]compiled `json:"groups"`
	Definitions []checked    `json:"definitions"`
}

// The reference's own estimator is private to its package; this one reads the same declarations.
type sizes struct{ root *apiservercel.DeclType }

func (s sizes) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	path := element.Path()
	if len(path) == 0 {
		return nil
	}
	at := s.root
	for _, name := range path[1:] {
		switch name {
		case "@items", "@values":
			at = at.ElemType
		case "@keys":
			at = at.KeyType
		default:
			f, ok := at.Fields[name]
			if !ok {
				return nil
			}
			at = f.Type
		}
		if at == nil {
			return nil
		}
	}
	return &checker.SizeEstimate{Min: 0, Max: uint64(at.MaxElements)}
}

func (s sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

type activation struct{ self, old ref.Val }

func (a activation) ResolveName(name string) (any, bool) {
	switch name {
	case "self":
		return a.self, true
	case "oldSelf":
		return a.old, a.old != nil
	}
	return nil, false
}

func (a activation) Parent() interpreter.Activation { return nil }

func number(v any) any {
	switch t := v.(type) {
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i
		}
		f, _ := t.Float64()
		return f
	case map[string]any:
		for k, x := range t {
			t[k] = number(x)
		}
	case []any:
		for i, x := range t {
			t[i] = number(x)
		}
	}
	return v
}

func show(v ref.Val) string {
	if v == nil {
		return "nothing"
	}
	switch t := v.(type) {
	case types.Bool, types.Int:
		return fmt.Sprint(t)
	case types.Uint:
		return fmt.Sprint(t) + "u"
	case types.Double:
		return strconv.FormatFloat(float64(t), 'g', -1, 64) + "d"
	case types.String:
		return quoted(string(t))
	case types.Bytes:
		return fmt.Sprintf("b%x", []byte(t))
	case types.Null:
		return "null"
	case types.Timestamp:
		return "timestamp(" + quoted(fmt.Sprint(t.ConvertToType(types.StringType))) + ")"
	case types.Duration:
		return fmt.Sprintf("duration(%d)", int64(t.Duration))
	case *types.Optional:
		if !t.HasValue() {
			return "none"
		}
		return "optional(" + show(t.GetValue()) + ")"
	case ref.Type:
		return "type(" + t.TypeName() + ")"
	case traits.Lister:
		var parts []string
		for it := t.Iterator(); it.HasNext() == types.True; {
			parts = append(parts, show(it.Next()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case traits.Mapper:
		var parts []string
		for it := t.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			parts = append(parts, show(k)+": "+show(t.Get(k)))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.Type().TypeName()
}

func quoted(text string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	return strings.TrimSuffix(out.String(), "\n")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func structural(s *v1.JSONSchemaProps) *schema.Structural {
	internal := &apiextensions.JSONSchemaProps{}
	if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(s, internal, nil); err != nil {
		panic(err)
	}
	return must(schema.NewStructural(internal))
}

func runGroup(g group) []compiled {
	s := structural(g.Schema)
	decl := model.SchemaDeclType(s, g.Root)
	scoped := decl.MaybeAssignTypeName("selfType")
	set := must(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []cel.EnvOption{cel.Variable("self", scoped.CelType()), cel.Variable("oldSelf", scoped.CelType())},
		DeclTypes:         []*apiservercel.DeclType{scoped},
	}))
	env := set.NewExpressionsEnv()
	estimator := &library.CostEstimator{SizeEstimator: sizes{decl}}
	if g.Root {
		s = model.WithTypeAndObjectMeta(s)
	}
	out := []compiled{}
	for _, c := range g.Cases {
		out = append(out, runCase(c, env, estimator, s))
	}
	return out
}

func runCase(c test, env *cel.Env, estimator *library.CostEstimator, s *schema.Structural) (r compiled) {
	ast, issues := env.Compile(c.Expression)
	if issues != nil {
		r.Error = issues.String()
		return r
	}
	r.Type = ast.OutputType().String()
	cost := must(env.EstimateCost(ast, estimator))
	r.Min, r.Max = cost.Min, cost.Max
	program, err := env.Program(ast, cel.CostLimit(celconfig.PerCallLimit), cel.CostTracking(estimator), cel.InterruptCheckFrequency(100))
	if err != nil {
		r.Error = "program instantiation failed: " + err.Error()
		return r
	}
	for _, o := range c.Objects {
		a := activation{}
		if o.Self != nil {
			a.self = schemacel.UnstructuredToVal(number(o.Self), s)
		}
		if o.Old != nil {
			a.old = schemacel.UnstructuredToVal(number(o.Old), s)
		}
		var e evaluated
		value, details, err := program.ContextEval(context.Background(), a)
		if err != nil {
			e.Error = err.Error()
		} else {
			e.Value = show(value)
		}
		if details != nil && details.ActualCost() != nil {
			e.Cost = *details.ActualCost()
		}
		r.Objects = append(r.Objects, e)
	}
	return r
}

func problems(list field.ErrorList) []problem {
	out := []problem{}
	for _, e := range list {
		out = append(out, problem{string(e.Type), e.Field, e.ErrorBody()})
	}
	return out
}

func runDefinition(d definition) (r checked) {
	preserve := false
	crd := &apiextensions.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "things.example.com"},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: "example.com",
			Names: apiextensions.CustomResourceDefinitionNames{Plural: "things", Singular: "thing", Kind: "Thing", ListKind: "ThingList"},
			Scope: apiextensions.NamespaceScoped, PreserveUnknownFields: &preserve,
			Conversion: &apiextensions.CustomResourceConversion{Strategy: apiextensions.NoneConverter},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{}},
			}},
		},
		Status: apiextensions.CustomResourceDefinitionStatus{StoredVersions: []string{"v1"}},
	}
	if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(d.Schema, crd.Spec.Versions[0].Schema.OpenAPIV3Schema, nil); err != nil {
		panic(err)
	}
	for _, p := range problems(validation.ValidateCustomResourceDefinition(context.Background(), crd)) {
		// That one version's schema should stand at the top is no matter here.
		if p.Field != "spec.versions" {
			r.Errors = append(r.Errors, p)
		}
	}
	s := structural(d.Schema)
	validator := schemacel.NewValidator(s, true, celconfig.PerCallLimit)
	for _, o := range d.Objects {
		var options []schemacel.Option
		self, old := number(o.Self), number(o.Old)
		if old != nil {
			options = append(options, schemacel.WithRatcheting(common.NewCorrelatedObject(self, old, &model.Structural{Structural: s})))
		}
		list, budget := validator.Validate(context.Background(), nil, s, self, old, celconfig.RuntimeCELCostBudget, options...)
		r.Objects = append(r.Objects, validated{problems(list), budget})
	}
	return r
}

func main() {
	data := must(io.ReadAll(os.Stdin))
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var in input
	if err := decoder.Decode(&in); err != nil {
		panic(err)
	}
	out := output{}
	for _, g := range in.Groups {
		out.Groups = append(out.Groups, runGroup(g))
	}
	for _, d := range in.Definitions {
		out.Definitions = append(out.Definitions, runDefinition(d))
	}
	fmt.Println("{\"groups\": [")
	for i, g := range out.Groups {
		fmt.Println("[")
		lines(g)
		fmt.Println("]" + comma(i, len(out.Groups)))
	}
	fmt.Println("],\n\"definitions\": [")
	lines(out.Definitions)
	fmt.Println("]}")
}

// lines writes values, one a line.
func lines[T any](values []T) {
	for i, v := range values {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		fmt.Println(strings.TrimSuffix(out.String(), "\n") + comma(i, len(values)))
	}
}

func comma(i, count int) string {
	if i == count-1 {
		return ""
	}
	return ","
}
