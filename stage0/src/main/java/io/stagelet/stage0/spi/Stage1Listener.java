package io.stagelet.stage0.spi;

/** Hears of ends. Called on a thread of the stage1; must not block for long. */
public interface Stage1Listener {
  /**
   * The unit's state changed so that {@link Stage1#state} or {@link Stage1#isUp} may now answer
   * differently.
   */
  void changed(String unit);

  /** Events may have been missed: everything is to be asked for again. */
  void resynchronize();
}
