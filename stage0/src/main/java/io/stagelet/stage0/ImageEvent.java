package io.stagelet.stage0;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * What happens to images and their store, each with the {@code MESSAGE_ID} by which the journal
 * finds it and its message catalog explains it.
 *
 * <p>An id is for ever: an event that changes its meaning gets a new one.
 */
public enum ImageEvent {
  /** An image is being pulled. */
  PULL_BEGUN("1ee7392bd3bb4696bb7cb7ca2e700c32", Level.INFO),
  /** A long pull tells how far it is. */
  PULL_MOVES("46bd9e8884b44f5a8080988eb019b042", Level.INFO),
  /** An image was pulled. */
  PULLED("7f05d8f9a06f481d8cf940214871dfe8", Level.INFO),
  /** An image could not be pulled. */
  PULL_FAILED("e79e0378ca7545bc97acd1f18cd6ac7c", Level.WARN),
  /** A pull ended since nobody waited for it any more. */
  PULL_GIVEN_UP("287cc436c45242cdb89505b9117a344e", Level.INFO),
  /** A layer that came over several connections goes on over one. */
  CONNECTIONS_REDUCED("ad7ab76a31d24d54b506d44cde4e6f09", Level.INFO),
  /** The store's filesystem refused extended attributes of a layer. */
  ATTRIBUTES_REFUSED("802544ced7d64d3fac95ba7d8bf7992f", Level.WARN),
  /** An image was removed. */
  IMAGE_REMOVED("5a8c59d078804d65ae8e608ab1d513eb", Level.INFO),
  /** Something in the store is damaged, and left out or removed. */
  STORE_DAMAGED("c378d7d5c229457eb550dccd0ab6d176", Level.WARN),
  /** Layers could not be made to outlive a power cut. */
  LAYERS_NOT_DURABLE("113e42d5b9154cc7bcad65a4bcb9f271", Level.WARN),
  /** What a program left that ended early was removed from the store. */
  SESSION_REMOVED("52229ab823c54d439200c53b1e69ec54", Level.INFO),
  /** Root filesystems cannot be mounted with other ids here. */
  IDS_NOT_MAPPED("e2604f582f2d4b2bbf5ce8e6f6964321", Level.INFO),
  /** Credentials for a registry could not be read. */
  CREDENTIALS_UNUSED("8db5ba32109b4b539aafa1ed3e789c77", Level.WARN);

  private final String id;
  private final Level level;

  ImageEvent(String id, Level level) {
    this.id = id;
    this.level = level;
  }

  /** How grave each event is, by its {@code MESSAGE_ID}. */
  public static Map<String, Level> byId() {
    return Stream.of(values()).collect(Collectors.toMap(event -> event.id, event -> event.level));
  }

  /** Begins the message that says it. */
  LoggingEventBuilder on(Logger log) {
    return log.atLevel(level).addKeyValue("MESSAGE_ID", id);
  }
}
