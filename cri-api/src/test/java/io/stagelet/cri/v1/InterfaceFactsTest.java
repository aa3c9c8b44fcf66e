package io.stagelet.cri.v1;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Our proto says what the published interface says: nothing less, nothing more. */
class InterfaceFactsTest {
  private final List<String> ours = InterfaceFacts.of(Api.getDescriptor());
  private final List<String> published = InterfaceFacts.published();

  @Test
  void theProtoHasEveryPublishedFact() {
    assertThat(ours).containsAll(published);
  }

  @Test
  void theProtoHasNoFactThatIsNotPublished() {
    assertThat(published).containsAll(ours);
  }

  @Test
  void theTableSaysEachFactOnceAndInOrder() {
    assertThat(published).doesNotHaveDuplicates().containsExactlyElementsOf(ours);
  }

  @Test
  void theTableIsThatOfTheReleaseTheProtoNames() {
    // 37 and 6 are what cri-api 0.37.2 has: a table cut short would otherwise only be seen with the
    // proto cut too
    assertThat(published).filteredOn(line -> line.startsWith("rpc\tRuntimeService\t")).hasSize(37);
    assertThat(published).filteredOn(line -> line.startsWith("rpc\tImageService\t")).hasSize(6);
  }
}
