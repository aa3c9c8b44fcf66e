package io.stagelet.cri.trace;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends spans to a collector by OTLP over HTTP, some hundreds at a time. A collector that does not
 * answer costs the spans that no longer fit into the queue, and nothing else; they are counted.
 */
public final class OtlpExporter implements SpanSink, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OtlpExporter.class);
  private static final int MOST_WAITING = 4096;
  private static final int MOST_AT_ONCE = 512;
  private static final int TRIES = 3;
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final int FINE = 200;

  /** What the protocol says may be tried again. */
  private static final Set<Integer> PASSING = Set.of(429, 502, 503, 504);

  private final BlockingQueue<Span> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private final LongAdder sent = new LongAdder();
  private final LongAdder dropped = new LongAdder();
  private final URI address;
  private final Map<String, String> resource;
  private final Duration pause;
  private final HttpClient client;
  private final Thread sender;
  private volatile boolean closed;
  private boolean complained;

  /**
   * Begins to send.
   *
   * @param endpoint the collector's address; what is sent goes to {@code v1/traces} below it
   * @param resource who sends them
   * @param pause how long spans are gathered, and how long a collector that failed is left alone
   */
  public OtlpExporter(URI endpoint, Map<String, String> resource, Duration pause) {
    this.address = URI.create(endpoint.toString().replaceAll("/+$", "") + "/v1/traces");
    this.resource = Map.copyOf(resource);
    this.pause = pause;
    this.client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(PATIENCE)
            .proxy(HttpClient.Builder.NO_PROXY)
            .build();
    this.sender = Thread.ofVirtual().name("traces").start(this::send);
  }

  @Override
  public void take(Span span) {
    if (!waiting.offer(span)) {
      dropped.increment();
    }
  }

  /** How many a collector took. */
  public long sent() {
    return sent.sum();
  }

  /** How many were given up. */
  public long dropped() {
    return dropped.sum();
  }

  private void send() {
    List<Span> batch = new ArrayList<>();
    while (!closed || !waiting.isEmpty()) {
      try {
        Span first = waiting.poll(pause.toMillis(), TimeUnit.MILLISECONDS);
        if (first != null) {
          batch.add(first);
          if (!closed) {
            Thread.sleep(pause);
          }
          waiting.drainTo(batch, MOST_AT_ONCE - 1);
          deliver(batch);
        }
      } catch (InterruptedException ending) {
        // what is there is still sent, without a pause
        if (!batch.isEmpty()) {
          waiting.drainTo(batch, MOST_AT_ONCE - batch.size());
          deliverOnce(batch);
        }
      }
      batch.clear();
    }
  }

  private void deliver(List<Span> batch) throws InterruptedException {
    for (int attempt = 1; attempt <= TRIES; attempt++) {
      switch (post(batch)) {
        case TAKEN -> {
          taken(batch);
          return;
        }
        case REFUSED -> {
          dropped.add(batch.size());
          return;
        }
        case LATER -> {
          if (attempt < TRIES && !closed) {
            Thread.sleep(pause);
          }
        }
      }
    }
    dropped.add(batch.size());
  }

  private void deliverOnce(List<Span> batch) {
    try {
      if (post(batch) == Answer.TAKEN) {
        taken(batch);
        return;
      }
    } catch (InterruptedException again) {
      LOG.debug("spans were given up", again);
    }
    dropped.add(batch.size());
  }

  private void taken(List<Span> batch) {
    sent.add(batch.size());
    complained = false;
  }

  private enum Answer {
    TAKEN,
    REFUSED,
    LATER
  }

  private Answer post(List<Span> batch) throws InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(address)
            .timeout(PATIENCE)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(OtlpJson.request(resource, batch)))
            .build();
    try {
      HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
      if (answer.statusCode() / 100 == FINE / 100) {
        return Answer.TAKEN;
      }
      complain("it answered %d: %s".formatted(answer.statusCode(), answer.body()));
      return PASSING.contains(answer.statusCode()) ? Answer.LATER : Answer.REFUSED;
    } catch (IOException failure) {
      complain(StageletException.reason(failure));
      return Answer.LATER;
    }
  }

  /** Once for each time that it breaks, not for each batch. */
  private void complain(String words) {
    if (!complained) {
      complained = true;
      StoryEvent.TRACES_NOT_TAKEN
          .on(LOG)
          .log("the collector of traces at {} takes no spans: {}", address, words);
    }
  }

  /** What waits is sent once more. */
  @Override
  public void close() {
    closed = true;
    sender.interrupt();
    try {
      boolean _ = sender.join(PATIENCE.plus(pause));
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    client.shutdownNow();
  }
}
