package android.os;

public final class PowerMonitor {
    public static final int POWER_MONITOR_TYPE_CONSUMER = 0;
    public static final int POWER_MONITOR_TYPE_MEASUREMENT = 1;

    public int getType() { throw new UnsupportedOperationException(); }

    public String getName() { throw new UnsupportedOperationException(); }
}
