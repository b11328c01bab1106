package android.os;

public final class PowerMonitorReadings {
    public static final int ENERGY_UNAVAILABLE = -1;

    public long getConsumedEnergy(PowerMonitor monitor) { throw new UnsupportedOperationException(); }

    public long getTimestampMillis(PowerMonitor monitor) { throw new UnsupportedOperationException(); }
}
