package io.stagelet.journal;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** An entry for the journal: fields in their order, a name possibly more than once. */
public final class JournalEntry {
  /** One field; the value is any bytes. */
  public record Field(String name, byte[] value) {
    /** A field whose name journald accepts; see {@link Builder#field(String, String)}. */
    public Field {
      NativeProtocol.checkName(name);
      value = value.clone();
    }

    @Override
    public byte[] value() {
      return value.clone();
    }
  }

  private final List<Field> fields;

  private JournalEntry(List<Field> fields) {
    this.fields = List.copyOf(fields);
  }

  /** An entry to be filled. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * An entry that begins with its text.
   *
   * @param priority 0 (emergency) to 7 (debug), as in {@code syslog(3)}
   */
  public static Builder message(int priority, String text) {
    if (priority < 0 || priority > 7) {
      throw new IllegalArgumentException("a priority is 0 to 7, not " + priority);
    }
    return builder().field("MESSAGE", text).field("PRIORITY", Integer.toString(priority));
  }

  /** The fields, in their order. */
  public List<Field> fields() {
    return fields;
  }

  /** The entry as journald reads it. */
  byte[] encoded() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (Field field : fields) {
      NativeProtocol.append(bytes, field.name(), field.value());
    }
    return bytes.toByteArray();
  }

  /** Collects the fields of one entry. */
  public static final class Builder {
    private final List<Field> fields = new ArrayList<>();

    private Builder() {}

    /**
     * Adds a field.
     *
     * @param name at most 64 of A–Z, 0–9 and underscore, a letter first
     * @throws IllegalArgumentException for another name
     */
    public Builder field(String name, String value) {
      return field(name, value.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds a field with any bytes. */
    public Builder field(String name, byte[] value) {
      fields.add(new Field(name, value));
      return this;
    }

    /** Adds several fields, in the map's order. */
    public Builder fields(Map<String, String> more) {
      more.forEach(this::field);
      return this;
    }

    /**
     * The entry.
     *
     * @throws IllegalStateException when it has no field
     */
    public JournalEntry build() {
      if (fields.isEmpty()) {
        throw new IllegalStateException("an entry has at least one field");
      }
      return new JournalEntry(fields);
    }
  }
}
