package io.stagelet.cri.v1;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.Descriptors.ServiceDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * The facts of an interface as a table of text: one fact a line, its parts separated by tabs.
 *
 * <pre>
 * package   NAME  SYNTAX
 * service   NAME
 * rpc       SERVICE  NAME  REQUEST  RESPONSE          "stream " before a type that is streamed
 * enum      NAME
 * value     ENUM  NUMBER  NAME
 * message   NAME
 * field     MESSAGE  NUMBER  NAME  LABEL  TYPE  ONEOF  OPTIONS
 *           LABEL is single, optional, repeated or map; the type of a map is KEY,VALUE;
 *           "-" stands for no oneof and no options
 * reserved  MESSAGE-OR-ENUM  FIRST  LAST              numbers, both included
 * reserved  MESSAGE-OR-ENUM  NAME
 * </pre>
 *
 * Names are those of the proto, without the package. Services, enums and messages come in the order
 * of their names, fields and values in the order of their numbers.
 *
 * <p>With a new release of the interface: name it in {@code src/test/go/go.mod}, run {@code go mod
 * tidy} and {@code go run .} there, and put what that prints in the table's place.
 */
final class InterfaceFacts {
  private static final String TABLE = "interface-facts.tsv";

  private final String prefix;
  private final List<String> lines = new ArrayList<>();

  private InterfaceFacts(FileDescriptor file) {
    prefix = file.getPackage() + ".";
  }

  /** The facts that were published, as kept beside this test. */
  static List<String> published() {
    try (InputStream table = InterfaceFacts.class.getResourceAsStream(TABLE)) {
      if (table == null) {
        throw new IllegalStateException("there is no " + TABLE + " beside InterfaceFacts");
      }
      return new String(table.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException failure) {
      throw new UncheckedIOException("could not read " + TABLE, failure);
    }
  }

  /** The facts of a generated file. */
  static List<String> of(FileDescriptor file) {
    InterfaceFacts facts = new InterfaceFacts(file);
    facts.line("package", file.getPackage(), file.toProto().getSyntax());
    file.getServices().stream()
        .sorted(Comparator.comparing(ServiceDescriptor::getName))
        .forEach(facts::service);
    file.getEnumTypes().stream()
        .sorted(Comparator.comparing(EnumDescriptor::getName))
        .forEach(facts::enumeration);
    file.getMessageTypes().stream()
        .sorted(Comparator.comparing(Descriptor::getName))
        .forEach(facts::message);
    return List.copyOf(facts.lines);
  }

  private void service(ServiceDescriptor service) {
    line("service", service.getName());
    service.getMethods().stream()
        .sorted(Comparator.comparing(MethodDescriptor::getName))
        .forEach(rpc ->
            line(
                "rpc",
                service.getName(),
                rpc.getName(),
                streaming(rpc.isClientStreaming()) + name(rpc.getInputType().getFullName()),
                streaming(rpc.isServerStreaming()) + name(rpc.getOutputType().getFullName())));
  }

  private static String streaming(boolean is) {
    return is ? "stream " : "";
  }

  private void enumeration(EnumDescriptor type) {
    String name = name(type.getFullName());
    line("enum", name);
    type.getValues().stream()
        .sorted(Comparator.comparingInt(EnumValueDescriptor::getNumber))
        .forEach(value -> line("value", name, number(value.getNumber()), value.getName()));
    type.toProto()
        .getReservedRangeList()
        .forEach(range -> line("reserved", name, number(range.getStart()), number(range.getEnd())));
    type.toProto().getReservedNameList().forEach(reserved -> line("reserved", name, reserved));
  }

  private void message(Descriptor type) {
    if (type.getOptions().getMapEntry()) {
      return; // told by the field
    }
    String name = name(type.getFullName());
    line("message", name);
    type.getFields().stream()
        .sorted(Comparator.comparingInt(FieldDescriptor::getNumber))
        .forEach(field -> field(name, field));
    type.toProto()
        .getReservedRangeList()
        .forEach(
            range -> line("reserved", name, number(range.getStart()), number(range.getEnd() - 1)));
    type.toProto().getReservedNameList().forEach(reserved -> line("reserved", name, reserved));
    type.getEnumTypes().stream()
        .sorted(Comparator.comparing(EnumDescriptor::getName))
        .forEach(this::enumeration);
    type.getNestedTypes().stream()
        .sorted(Comparator.comparing(Descriptor::getName))
        .forEach(this::message);
  }

  private void field(String message, FieldDescriptor field) {
    OneofDescriptor oneof = field.getRealContainingOneof();
    line(
        "field",
        message,
        number(field.getNumber()),
        field.getName(),
        label(field),
        type(field),
        oneof == null ? "-" : oneof.getName(),
        options(field));
  }

  private static String label(FieldDescriptor field) {
    if (field.isMapField()) {
      return "map";
    }
    if (field.isRepeated()) {
      return "repeated";
    }
    return field.toProto().getProto3Optional() ? "optional" : "single";
  }

  private String type(FieldDescriptor field) {
    if (field.isMapField()) {
      Descriptor entry = field.getMessageType();
      return type(entry.findFieldByNumber(1)) + "," + type(entry.findFieldByNumber(2));
    }
    return switch (field.getJavaType()) {
      case MESSAGE -> name(field.getMessageType().getFullName());
      case ENUM -> name(field.getEnumType().getFullName());
      case INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING, BYTE_STRING ->
          field.getType().name().toLowerCase(Locale.ROOT);
    };
  }

  private static String options(FieldDescriptor field) {
    List<String> set = new ArrayList<>();
    if (field.getOptions().getDeprecated()) {
      set.add("deprecated");
    }
    if (field.getOptions().getDebugRedact()) {
      set.add("debug_redact");
    }
    return set.isEmpty() ? "-" : String.join(",", set);
  }

  private String name(String full) {
    return full.startsWith(prefix) ? full.substring(prefix.length()) : full;
  }

  private static String number(int number) {
    return Integer.toString(number);
  }

  private void line(String... parts) {
    lines.add(String.join("\t", parts));
  }
}
