import Foundation

/// What a benchmark asks of the device it runs on.
public protocol Device: Sendable {
    var entry: DeviceEntry { get }

    /// `nominal`, `fair`, `serious` or `critical`, as in docs/profile.md; nil where the device does not tell.
    func thermalState() -> String?

    /// The process's largest memory so far, where the system tells.
    func peakMemoryBytes() -> Int?

    /// Tells the system that an inference of the benchmark begins or ends; not part of what is timed.
    func markInference(begins: Bool)

    /// MetricKit's payloads so far.
    func metricKitPayloads() -> [JsonValue]

    /// An encoded PNG as an image. Throws `Failure`.
    func decode(_ encoded: Data) throws -> RgbImage
}

/// Opens every artefact of the folder on `computeUnits` (or on the first that its runtime has, where it lacks these), measures
/// all side by side, and checks each against its golden vectors. Throws `Failure`.
public func runBenchmark(
    _ folder: ModelFolder, computeUnits: String, device: any Device, progress: @Sendable (Double) async -> Void = { _ in }
) async throws -> BenchmarkReport {
    let golden = try folder.golden()
    let image = try benchmarkImage(folder, golden, device)
    var opened: [any Classifier] = []
    var subjects: [BenchmarkSubject] = []
    for choice in chosen(folder, computeUnits) {
        let start = Stopwatch()
        let classifier = try await folder.open(choice)
        let (loadMs, input) = (start.elapsedMs, try classifier.input(image))
        opened.append(classifier)
        subjects.append(BenchmarkSubject(loadMs: loadMs) { _ = try await classifier.logits(input) })
    }
    let before = device.thermalState()
    let measurements = try await benchmark(subjects, mark: device.markInference(begins:), progress: progress)
    let after = device.thermalState()
    var entries: [MeasuredEntry] = []
    for (measurement, classifier) in zip(measurements, opened) {
        let check = try await check(classifier, golden, device)
        entries.append(entry(measurement, classifier, thermal: (before, after), device.peakMemoryBytes(), check))
    }
    return BenchmarkReport(device: device.entry, artefacts: entries, metrickit: device.metricKitPayloads())
}

/// One choice per artefact.
private func chosen(_ folder: ModelFolder, _ computeUnits: String) -> [Choice] {
    folder.manifest.artefacts.compactMap { artefact in
        let choices = folder.choices.filter { $0.artefact == artefact }
        return choices.first { $0.computeUnits == computeUnits } ?? choices.first
    }
}

/// The first golden image, or a black one of the network's size.
private func benchmarkImage(_ folder: ModelFolder, _ golden: Golden?, _ device: any Device) throws -> RgbImage {
    if let golden, let first = golden.bundle.images.first { return try device.decode(try golden.encoded(first)) }
    let (height, width) = (folder.manifest.input.height, folder.manifest.input.width)
    return RgbImage(height: height, width: width, pixels: Array(repeating: 0, count: height * width * channelCount))
}

private func check(_ classifier: any Classifier, _ golden: Golden?, _ device: any Device) async throws -> GoldenCheck? {
    guard let golden, golden.bundle.artefacts[classifier.artefact.path] != nil else { return nil }
    return try await checkGolden(classifier, golden, decode: device.decode)
}

private func entry(
    _ measurement: Measurement, _ classifier: any Classifier, thermal: (String?, String?), _ peakMemoryBytes: Int?,
    _ golden: GoldenCheck?
) -> MeasuredEntry {
    MeasuredEntry(
        name: classifier.artefact.path,
        sha256: classifier.artefact.sha256,
        runtime: classifier.runtime,
        computeUnits: classifier.computeUnits,
        loadMs: measurement.loadMs,
        firstRunMs: measurement.firstRunMs,
        latenciesMs: measurement.latenciesMs,
        thermalBefore: thermal.0,
        thermalAfter: thermal.1,
        peakMemoryBytes: peakMemoryBytes,
        golden: golden)
}
