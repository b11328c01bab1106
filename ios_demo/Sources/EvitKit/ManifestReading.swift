import Foundation

private let schema = 2
private let manifestName = "manifest.json"

/// Reads and checks `manifest.json`; the artefacts' own bytes are checked when they are opened. Throws `Failure`.
public func readManifest(_ files: ModelFiles) throws -> Manifest {
    let manifest = try decode(Manifest.self, try files.read(manifestName), name: manifestName, schema: schema)
    try check(manifest)
    return manifest
}

/// Decodes a document whose `schema` must be the one given. Throws `Failure` that calls it `name`.
func decode<T: Decodable>(_ type: T.Type, _ data: Data, name: String, schema: Int) throws -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
        let found = try decoder.decode(Versioned.self, from: data).schema
        try demand(
            found == schema,
            Failure(
                got: "\(name) with schema \(found.map(String.init) ?? "missing")", allowed: "schema \(schema)",
                advice: "convert again with an evit-mobile of this app's age, or update the app"))
        return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
        throw Failure(got: "\(name), which cannot be read (\(told(error)))", allowed: "schema \(schema) as evit-mobile writes it")
    }
}

private struct Versioned: Decodable {
    let schema: Int?
}

/// Where a document is damaged, and how.
private func told(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context) -> String { context.codingPath.map(\.stringValue).joined(separator: ".") }
    switch error {
    case .keyNotFound(let key, let context): return "no \(key.stringValue) in \(place(context))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
        return "\(place(context)): \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
}

private func check(_ manifest: Manifest) throws {
    let (model, labels) = (manifest.model, manifest.labels.count)
    let task = model.task ?? classification
    try demand(
        task == classification,
        Failure(got: "a model for \(task)", allowed: "a classifier", advice: "export a classification model"))
    try check(manifest.input)
    try demand(
        labels == 0 || labels == model.numClasses,
        Failure(got: "\(labels) labels for \(model.numClasses) classes", allowed: "one per class, or none"))
    try demand(!manifest.artefacts.isEmpty, Failure(got: "a manifest without artefacts", allowed: "at least one"))
}

private func check(_ input: InputEntry) throws {
    let (shape, resized, cropped) = (input.shape, input.resize.size, input.crop.size)
    try demand(
        shape.count == 4 && shape.prefix(2) == [1, channelCount],
        Failure(got: "input shape \(shape)", allowed: "(1, 3, height, width)"))
    try demand(
        cropped == Array(shape.suffix(2)), Failure(got: "a crop of \(cropped) for shape \(shape)", allowed: "the shape's height and width"))
    try demand(
        input.crop.mode == "center" && input.color == "RGB",
        Failure(got: "crop \(input.crop.mode), colour \(input.color)", allowed: "center, RGB"))
    try demand(
        resized.count == 2 && zip(resized, cropped).allSatisfy { 1...max($0, 1) ~= $1 },
        Failure(got: "a resize to \(resized)", allowed: "at least the crop \(cropped)"))
    try demand(
        input.mean.count == channelCount && input.std.count == channelCount && input.std.allSatisfy { $0 > 0 },
        Failure(got: "mean \(input.mean) and std \(input.std)", allowed: "three numbers each, std positive"))
}

/// Checks what a runtime needs of an artefact; those of formats that nothing here runs may look otherwise. Throws `Failure`.
public func check(_ artefact: ArtefactEntry, of manifest: Manifest) throws {
    let (path, inputs) = (artefact.path, artefact.inputs)
    try demand(isInside(path), Failure(got: "artefact path \(path)", allowed: "a path inside the model's folder"))
    try demand(!artefact.validations.isEmpty, Failure(got: "\(path) without a validation", allowed: "at least one"))
    try demand(inputs.count == 1, Failure(got: "\(path) with \(inputs.count) inputs", allowed: "one"))
    let (shape, dtype) = (artefact.input.shape, artefact.input.dtype)
    let rows = [1, manifest.input.height, manifest.input.width, channelCount]
    let expected = dtype == uint8 ? rows : manifest.input.shape
    try demand(shape == expected, Failure(got: "\(path) with input \(shape)", allowed: "\(expected)"))
    let dtypes = [float32, image, uint8]
    try demand(dtypes.contains(dtype), Failure(got: "\(path) with input of \(dtype)", allowed: dtypes.joined(separator: ", ")))
    let outputs = artefact.outputs.map { "\($0.dtype) \($0.shape)" }.joined(separator: ", ")
    try demand(
        artefact.logits(classes: manifest.model.numClasses) != nil,
        Failure(got: "\(path) with outputs \(outputs)", allowed: "\(float32) [1, \(manifest.model.numClasses)] among them"))
}

func isInside(_ path: String) -> Bool {
    path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && $0 != ".." && $0 != "." }
}
