package org.evitmobile.inference

import org.evitmobile.core.BenchmarkReport
import org.evitmobile.core.BenchmarkSubject
import org.evitmobile.core.CHANNELS
import org.evitmobile.core.DeviceEntry
import org.evitmobile.core.EnergyEntry
import org.evitmobile.core.Golden
import org.evitmobile.core.GoldenCheck
import org.evitmobile.core.MeasuredEntry
import org.evitmobile.core.Measurement
import org.evitmobile.core.PowerSource
import org.evitmobile.core.RgbImage
import org.evitmobile.core.benchmark
import org.evitmobile.core.measureEnergy
import org.evitmobile.core.peakMemoryBytes

/** What a benchmark asks of the device it runs on. */
interface Device {
    val entry: DeviceEntry

    /** `nominal`, `fair`, `serious` or `critical`, as in docs/profile.md; null where the device does not tell. */
    fun thermalState(): String?

    /** Energy counters, or null with the reason in [powerUnavailable]. */
    val power: PowerSource?
    val powerUnavailable: String

    /** An encoded PNG as an image. */
    fun decode(encoded: ByteArray): RgbImage
}

/**
 * Opens every artefact of the folder on [accelerator] (or the CPU, where it cannot run there), checks it against the golden vectors,
 * and measures all side by side, then the energy of each. Throws [org.evitmobile.core.Failure].
 */
fun runBenchmark(folder: ModelFolder, accelerator: Accelerator, device: Device): BenchmarkReport {
    val opened = ArrayList<Classifier>()
    try {
        val golden = folder.golden()
        val image = image(folder, golden, device)
        val subjects = folder.choices.filter { it.accelerator == accelerator }.map { choice ->
            val start = System.nanoTime()
            val classifier = folder.open(choice).also(opened::add)
            val loadMs = (System.nanoTime() - start) / 1e6
            val input = classifier.input(image)
            BenchmarkSubject(choice.artefact, classifier.runtime, loadMs) { classifier.logits(input) }
        }
        val before = device.thermalState()
        val measurements = benchmark(subjects)
        val after = device.thermalState()
        val artefacts = measurements.zip(opened) { measurement, classifier ->
            val check = check(classifier, golden, device)
            entry(measurement, classifier, before to after, energy(measurement, device), check)
        }
        return BenchmarkReport(device = device.entry, artefacts = artefacts)
    } finally {
        opened.forEach { it.close() }
    }
}

/** The first golden image, or a black one. */
private fun image(folder: ModelFolder, golden: Golden?, device: Device): RgbImage {
    val (height, width) = folder.manifest.input.crop.size
    return golden?.let { device.decode(it.encoded(it.bundle.images.first())) } ?: RgbImage(height, width, ByteArray(CHANNELS * height * width))
}

private fun check(classifier: Classifier, golden: Golden?, device: Device): GoldenCheck? =
    golden?.takeIf { classifier.artefact.path in it.bundle.artefacts }?.let { checkGolden(classifier, it, device::decode) }

private fun energy(measurement: Measurement, device: Device): EnergyEntry {
    val source = device.power ?: return EnergyEntry(unavailable = device.powerUnavailable)
    return measureEnergy(source, measurement.subject.run)
}

private fun entry(
    measurement: Measurement,
    classifier: Classifier,
    thermal: Pair<String?, String?>,
    energy: EnergyEntry,
    golden: GoldenCheck?,
) = MeasuredEntry(
    name = classifier.artefact.path,
    sha256 = classifier.artefact.sha256,
    runtime = classifier.runtime,
    computeUnits = "${classifier.accelerator}",
    loadMs = measurement.subject.loadMs,
    firstRunMs = measurement.firstRunMs,
    latenciesMs = measurement.latenciesMs,
    thermalBefore = thermal.first,
    thermalAfter = thermal.second,
    peakMemoryBytes = peakMemoryBytes(),
    energy = energy,
    golden = golden,
)
