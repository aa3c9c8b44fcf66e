package io.stagelet.units;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.freedesktop.dbus.DBusPath;
import org.freedesktop.dbus.types.UInt32;
import org.freedesktop.dbus.types.UInt64;
import org.freedesktop.dbus.types.Variant;
import org.jspecify.annotations.Nullable;

/** Properties as dbus-java sends and delivers them. */
final class Wire {
  private static final UInt64 INFINITE = new UInt64(0xFFFF_FFFFL, 0xFFFF_FFFFL);

  /** {@code MS_REC} of mount(2). */
  private static final long RECURSIVE = 0x4000;

  private Wire() {}

  /** The value of {@code a(sv)}. */
  static List<Object[]> encode(List<UnitProperty> properties) {
    List<Object[]> encoded = new ArrayList<>(properties.size());
    for (UnitProperty property : properties) {
      encoded.add(new Object[] {property.name(), encode(property)});
    }
    return encoded;
  }

  private static Variant<?> encode(UnitProperty property) {
    return switch (property) {
      case UnitProperty.Flag flag -> new Variant<>(flag.value(), "b");
      case UnitProperty.Number32 number -> new Variant<>(new UInt32(number.value()), "u");
      case UnitProperty.Number64 number -> new Variant<>(unsigned(number.value()), "t");
      case UnitProperty.Signed32 number -> new Variant<>(number.value(), "i");
      case UnitProperty.Text text -> new Variant<>(text.value(), "s");
      case UnitProperty.Texts texts -> new Variant<>(texts.values(), "as");
      case UnitProperty.LogFields fields ->
          new Variant<>(
              fields.values().stream()
                  .map(field -> field.getBytes(StandardCharsets.UTF_8))
                  .toList(),
              "aay");
      case UnitProperty.Bytes bytes -> new Variant<>(bytes.value(), "ay");
      case UnitProperty.Span span -> new Variant<>(unsigned(span.microseconds()), "t");
      case UnitProperty.Commands commands ->
          new Variant<>(commands.values().stream().map(Wire::command).toList(), "a(sasas)");
      case UnitProperty.Binds binds ->
          new Variant<>(
              binds.values().stream()
                  .map(bind ->
                      new Object[] {
                        bind.source(), bind.destination(), false, new UInt64(RECURSIVE)
                      })
                  .toList(),
              "a(ssbt)");
      case UnitProperty.SystemCalls calls ->
          new Variant<>(new Object[] {calls.allowed(), calls.values()}, "(bas)");
      case UnitProperty.Label label -> new Variant<>(new Object[] {false, label.value()}, "(bs)");
      case UnitProperty.DeviceRules rules ->
          new Variant<>(
              rules.values().stream()
                  .map(rule -> new Object[] {rule.device(), rule.access()})
                  .toList(),
              "a(ss)");
      case UnitProperty.DeviceNumbers numbers ->
          new Variant<>(
              numbers.values().stream()
                  .map(
                      number -> new Object[] {number.device().toString(), unsigned(number.value())})
                  .toList(),
              "a(st)");
    };
  }

  private static Object[] command(ExecCommand command) {
    List<String> options =
        command.ignoreFailure()
            ? List.of("no-env-expand", "ignore-failure")
            : List.of("no-env-expand");
    return new Object[] {command.argv().getFirst(), command.argv(), options};
  }

  private static UInt64 unsigned(long value) {
    return value == UnitProperty.INFINITY ? INFINITE : new UInt64(value);
  }

  /**
   * A property's value out of the {@code a{sv}} of a reply or signal; null when it is not there.
   */
  static @Nullable Object value(Map<?, ?> properties, String name) {
    return properties.get(name) instanceof Variant<?> variant ? variant.getValue() : null;
  }

  static String text(Map<?, ?> properties, String name) {
    return value(properties, name) instanceof String text ? text : "";
  }

  static int number(Map<?, ?> properties, String name) {
    return value(properties, name) instanceof Number number ? number.intValue() : 0;
  }

  /** A time in microseconds since the epoch, or null for the 0 that stands for never. */
  static @Nullable Instant instant(Map<?, ?> properties, String name) {
    if (!(value(properties, name) instanceof UInt64 microseconds)) {
      return null;
    }
    BigInteger count = microseconds.value();
    if (count.signum() == 0 || count.bitLength() > 62) {
      return null;
    }
    long since = count.longValueExact();
    return Instant.ofEpochSecond(since / 1_000_000, since % 1_000_000 * 1_000);
  }

  /** A variant of an array of bytes, in hexadecimal digits. */
  static String hexadecimal(Object bytes) {
    return switch (bytes instanceof Variant<?> variant ? variant.getValue() : bytes) {
      case byte[] array -> HexFormat.of().formatHex(array);
      case List<?> list -> {
        StringBuilder digits = new StringBuilder(2 * list.size());
        for (Object each : list) {
          HexFormat.of()
              .toHexDigits(digits, each instanceof Number number ? number.byteValue() : (byte) 0);
        }
        yield digits.toString();
      }
      default -> "";
    };
  }

  /** The path in a value of type {@code o}. */
  static String path(Object value) {
    return value instanceof DBusPath path ? path.getPath() : "";
  }

  static MainProcess mainProcess(Map<?, ?> service) {
    String result = text(service, "Result");
    return new MainProcess(
        result.isEmpty() ? ServiceResult.SUCCESS : ServiceResult.of(result),
        number(service, "MainPID"),
        number(service, "ExecMainPID"),
        MainExitCode.of(number(service, "ExecMainCode")),
        number(service, "ExecMainStatus"),
        instant(service, "ExecMainStartTimestamp"),
        instant(service, "ExecMainExitTimestamp"),
        text(service, "StatusText"));
  }
}
