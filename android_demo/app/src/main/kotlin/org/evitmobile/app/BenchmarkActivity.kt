package org.evitmobile.app

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.view.WindowManager
import android.widget.TextView
import java.io.File
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import org.evitmobile.core.Failure
import org.evitmobile.inference.Accelerator
import org.evitmobile.inference.runBenchmark

/**
 * Measures every artefact of the model and writes benchmark.json into the app's external files:
 *
 *     adb shell am start -W -n org.evitmobile.demo/org.evitmobile.app.BenchmarkActivity --es accelerator CPU
 *     adb pull /sdcard/Android/data/org.evitmobile.demo/files/benchmark.json
 *
 * It appears under its name when it is complete; logcat's tag "evit-mobile" says when. Energy takes minutes more per artefact:
 * `--ez energy true` asks for it. A failure is written to benchmark.error.txt.
 */
class BenchmarkActivity : Activity() {
    private lateinit var text: TextView

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        text = TextView(this).apply {
            text = "Measuring: leave the phone alone."
            fitsSystemWindows = true // from Android 15 on, apps draw under the system's bars
        }
        setContentView(text)
        if (running.compareAndSet(false, true)) {
            thread(name = "benchmark") {
                try {
                    measure(intent.getStringExtra("accelerator") ?: Accelerator.CPU.name, intent.getBooleanExtra("energy", false))
                } finally {
                    running.set(false)
                }
            }
        }
    }

    private fun measure(wanted: String, energy: Boolean) {
        val folder = checkNotNull(getExternalFilesDir(null)) { "no external storage" }
        val (report, error) = File(folder, "benchmark.json") to File(folder, "benchmark.error.txt")
        listOf(report, error).forEach(File::delete)
        try {
            val accelerator = Accelerator.entries.find { it.name == wanted }
                ?: throw Failure("accelerator $wanted", Accelerator.entries.joinToString(), "pass --es accelerator CPU")
            writeWhole(report, runBenchmark(openModelFolder(this), accelerator, AndroidDevice(this, energy)).toJson())
            show("Wrote $report")
        } catch (failure: Failure) {
            writeWhole(error, failure.message.orEmpty())
            show(failure.message.orEmpty())
        }
    }

    private fun show(message: String) {
        Log.i("evit-mobile", message)
        runOnUiThread { text.text = message }
    }

    private fun writeWhole(target: File, content: String) {
        val partial = File(target.path + ".partial").apply { writeText(content) }
        check(partial.renameTo(target)) { "cannot rename $partial" }
    }

    private companion object {
        /** Turning the phone makes a new activity; the measurement goes on and is not started twice. */
        val running = AtomicBoolean(false)
    }
}
