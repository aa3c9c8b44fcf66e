package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SecretFilterTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET https://robot:hunter22@registry.example/v2/ failed",
        "the registry refused Authorization: Bearer hunter22hunter22.aaa",
        "header authorization=Basic hunter22aGVsbG8=",
        "{\"token\": \"hunter22\", \"expires_in\": 60}",
        "https://auth.example/token?service=x&password=hunter22&scope=y",
        "refresh_token=hunter22"
      })
  void blotsOutWhatGivesAccess(String text) {
    assertThat(SecretFilter.clean(text)).doesNotContain("hunter22").contains("[hidden]");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pull of https://registry.example:5000/a/b@sha256:abc failed",
        "container web (default/web-0) has ended with exit code 3 (Error)",
        "the secret volume of pod web is not mounted",
        "no basic tools in the image; token expired"
      })
  void leavesOrdinaryWordsAlone(String text) {
    assertThat(SecretFilter.clean(text)).isEqualTo(text);
  }

  @Test
  void keepsWhatStandsAroundASecret() {
    assertThat(SecretFilter.clean("GET https://u:p@host/v2/ said 401"))
        .isEqualTo("GET https://[hidden]@host/v2/ said 401");
  }
}
