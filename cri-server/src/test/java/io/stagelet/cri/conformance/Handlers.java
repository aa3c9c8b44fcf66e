package io.stagelet.cri.conformance;

import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.support.ParameterDeclarations;

/** Gives a suite its {@link NodeUnderTest}s, one for each handler of the session. */
final class Handlers implements ArgumentsProvider {
  @Override
  public Stream<? extends Arguments> provideArguments(
      ParameterDeclarations parameters, ExtensionContext context) {
    return ConformanceSession.of(context).nodes(context.getRequiredTestClass()).map(Arguments::of);
  }
}
