// Prints the table of the facts of the published container runtime interface, one fact a line, the parts of a fact
// separated by tabs. The Java test that reads the table says what its lines mean.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	file := cri.File_staging_src_k8s_io_cri_api_pkg_apis_runtime_v1_api_proto
	table := table{out: out, pkg: string(file.Package()) + "."}
	table.row("package", string(file.Package()), file.Syntax().String())
	for _, service := range sorted(all[protoreflect.ServiceDescriptor](file.Services())) {
		table.service(service)
	}
	for _, enum := range sorted(all[protoreflect.EnumDescriptor](file.Enums())) {
		table.enum(enum)
	}
	for _, message := range sorted(all[protoreflect.MessageDescriptor](file.Messages())) {
		table.message(message)
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot write the table:", err)
		os.Exit(1)
	}
}

type table struct {
	out *bufio.Writer
	pkg string
}

func (t table) row(parts ...any) {
	for i, part := range parts {
		if i > 0 {
			fmt.Fprint(t.out, "\t")
		}
		fmt.Fprint(t.out, part)
	}
	fmt.Fprintln(t.out)
}

// A name without the package, as all of them are in the same one.
func (t table) name(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), t.pkg)
}

func (t table) service(service protoreflect.ServiceDescriptor) {
	t.row("service", t.name(service))
	for _, rpc := range sorted(all[protoreflect.MethodDescriptor](service.Methods())) {
		t.row("rpc", t.name(service), rpc.Name(),
			streaming(rpc.IsStreamingClient())+t.name(rpc.Input()),
			streaming(rpc.IsStreamingServer())+t.name(rpc.Output()))
	}
}

func streaming(is bool) string {
	if is {
		return "stream "
	}
	return ""
}

func (t table) enum(enum protoreflect.EnumDescriptor) {
	t.row("enum", t.name(enum))
	for _, value := range byNumber(all[protoreflect.EnumValueDescriptor](enum.Values())) {
		t.row("value", t.name(enum), value.Number(), value.Name())
	}
	for i := 0; i < enum.ReservedRanges().Len(); i++ {
		r := enum.ReservedRanges().Get(i)
		t.row("reserved", t.name(enum), r[0], r[1])
	}
	for i := 0; i < enum.ReservedNames().Len(); i++ {
		t.row("reserved", t.name(enum), enum.ReservedNames().Get(i))
	}
}

func (t table) message(message protoreflect.MessageDescriptor) {
	if message.IsMapEntry() {
		return // told by the field
	}
	t.row("message", t.name(message))
	for _, field := range byNumber(all[protoreflect.FieldDescriptor](message.Fields())) {
		t.row("field", t.name(message), field.Number(), field.Name(), t.label(field), t.fieldType(field), oneof(field), options(field))
	}
	// the descriptor's own form of ranges: the last number is in them, as in the proto's text
	for _, r := range protodesc.ToDescriptorProto(message).GetReservedRange() {
		t.row("reserved", t.name(message), r.GetStart(), r.GetEnd()-1)
	}
	for i := 0; i < message.ReservedNames().Len(); i++ {
		t.row("reserved", t.name(message), message.ReservedNames().Get(i))
	}
	for _, enum := range sorted(all[protoreflect.EnumDescriptor](message.Enums())) {
		t.enum(enum)
	}
	for _, nested := range sorted(all[protoreflect.MessageDescriptor](message.Messages())) {
		t.message(nested)
	}
}

func (t table) label(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return "map"
	case field.IsList():
		return "repeated"
	case field.HasOptionalKeyword():
		return "optional"
	default:
		return "single"
	}
}

func (t table) fieldType(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return t.fieldType(field.MapKey()) + "," + t.fieldType(field.MapValue())
	case field.Message() != nil:
		return t.name(field.Message())
	case field.Enum() != nil:
		return t.name(field.Enum())
	default:
		return field.Kind().String()
	}
}

func oneof(field protoreflect.FieldDescriptor) string {
	if group := field.ContainingOneof(); group != nil && !group.IsSynthetic() {
		return string(group.Name())
	}
	return "-"
}

func options(field protoreflect.FieldDescriptor) string {
	var set []string
	if o, ok := field.Options().(*descriptorpb.FieldOptions); ok {
		if o.GetDeprecated() {
			set = append(set, "deprecated")
		}
		if o.GetDebugRedact() {
			set = append(set, "debug_redact")
		}
	}
	if len(set) == 0 {
		return "-"
	}
	return strings.Join(set, ",")
}

type list[D any] interface {
	Len() int
	Get(int) D
}

func all[D any](from list[D]) []D {
	items := make([]D, from.Len())
	for i := range items {
		items[i] = from.Get(i)
	}
	return items
}

func sorted[D protoreflect.Descriptor](items []D) []D {
	slices.SortFunc(items, func(a, b D) int { return cmp.Compare(a.Name(), b.Name()) })
	return items
}

type numbered[N cmp.Ordered] interface{ Number() N }

func byNumber[N cmp.Ordered, D numbered[N]](items []D) []D {
	slices.SortFunc(items, func(a, b D) int { return cmp.Compare(a.Number(), b.Number()) })
	return items
}
