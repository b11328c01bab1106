package android.os.health;

import android.os.OutcomeReceiver;
import android.os.PowerMonitor;
import android.os.PowerMonitorReadings;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

public class SystemHealthManager {
    public void getSupportedPowerMonitors(Executor executor, Consumer<List<PowerMonitor>> onResult) {
        throw new UnsupportedOperationException();
    }

    public void getPowerMonitorReadings(
            List<PowerMonitor> monitors, Executor executor, OutcomeReceiver<PowerMonitorReadings, RuntimeException> onResult) {
        throw new UnsupportedOperationException();
    }
}
