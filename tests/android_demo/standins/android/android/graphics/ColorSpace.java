package android.graphics;

public abstract class ColorSpace {
    public enum Named { SRGB, DISPLAY_P3 }

    public static ColorSpace get(Named name) { throw new UnsupportedOperationException(); }
}
