package android.graphics;

public class BitmapFactory {
    public static class Options {
        public Bitmap.Config inPreferredConfig;
        public ColorSpace inPreferredColorSpace;
        public boolean inPremultiplied;
        public boolean inScaled;
    }

    public static Bitmap decodeByteArray(byte[] data, int offset, int length, Options options) {
        throw new UnsupportedOperationException();
    }
}
