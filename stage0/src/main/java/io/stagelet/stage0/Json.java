package io.stagelet.stage0;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads the fields of JSON documents that others wrote; what is null or absent is empty. */
final class Json {
  private static final ObjectMapper MAPPER = JsonMapper.builder().build();

  private Json() {}

  /**
   * The object that {@code bytes} hold.
   *
   * @param what names the document in the error
   */
  static JsonNode object(byte[] bytes, String what) {
    JsonNode node;
    try {
      node = MAPPER.readTree(bytes);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "%s is not JSON: %s".formatted(what, failure.getOriginalMessage()),
          failure);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "%s is not JSON: %s".formatted(what, StageletException.reason(failure)),
          failure);
    }
    if (!node.isObject()) {
      throw new StageletException(ErrorCode.DATA_LOSS, what + " is not a JSON object");
    }
    return node;
  }

  static byte[] bytes(JsonNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("a tree of JSON nodes can be written", failure);
    }
  }

  static String text(JsonNode object, String field) {
    JsonNode value = object.path(field);
    return value.isTextual() ? value.textValue() : "";
  }

  static List<String> texts(JsonNode object, String field) {
    List<String> texts = new ArrayList<>();
    for (JsonNode item : object.path(field)) {
      if (item.isTextual()) {
        texts.add(item.textValue());
      }
    }
    return texts;
  }

  /** The names of an object's fields. */
  static Set<String> names(JsonNode object, String field) {
    Set<String> names = new LinkedHashSet<>();
    object.path(field).fieldNames().forEachRemaining(names::add);
    return names;
  }

  static Map<String, String> textMap(JsonNode object, String field) {
    Map<String, String> map = new LinkedHashMap<>();
    object.path(field).properties().forEach(e -> map.put(e.getKey(), e.getValue().asText()));
    return map;
  }
}
