package org.evitmobile.core

import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

private const val SCHEMA = 2
private const val MANIFEST = "manifest.json"
private val DTYPES = listOf("float32", "int8", UINT8)
private val json = Json { ignoreUnknownKeys = true }

/** Reads and checks `manifest.json`; the artefacts' own bytes are checked when they are opened. Throws [Failure]. */
fun readManifest(files: ModelFiles): Manifest {
    val manifest = decode(Manifest.serializer(), files.read(MANIFEST).decodeToString(), MANIFEST, SCHEMA)
    check(manifest)
    return manifest
}

/** Decodes a document whose `schema` must be [schema]. Throws [Failure] that calls it [name]. */
internal fun <T> decode(serializer: KSerializer<T>, text: String, name: String, schema: Int): T =
    try {
        val document = json.parseToJsonElement(text)
        val found = document.jsonObject["schema"]?.jsonPrimitive?.intOrNull
        demand(found == schema, "$name with schema $found", "schema $schema") {
            "convert again with an evit-mobile of this app's age, or update the app"
        }
        json.decodeFromJsonElement(serializer, document)
    } catch (error: SerializationException) {
        throw unreadable(name, schema, error)
    } catch (error: IllegalArgumentException) {
        throw unreadable(name, schema, error)
    }

private fun unreadable(name: String, schema: Int, error: Exception) =
    Failure(
        got = "$name, which cannot be read (${error.message?.lineSequence()?.first()})",
        allowed = "schema $schema as evit-mobile writes it",
        advice = "run evit-mobile export-app android --from DIR again",
        cause = error,
    )

private fun check(manifest: Manifest) {
    val model = manifest.model
    demand(model.task == CLASSIFICATION, "a model for ${model.task}", "a classifier") { "export a classification model" }
    checkInput(manifest.input)
    val labels = manifest.labels.size
    demand(labels == 0 || labels == model.numClasses, "$labels labels for ${model.numClasses} classes", "one per class, or none")
    demand(manifest.artefacts.isNotEmpty(), "a manifest without artefacts", "at least one")
}

private fun checkInput(input: InputEntry) {
    demand(input.shape.size == 4 && input.shape.take(2) == listOf(1, CHANNELS), "input shape ${input.shape}", "(1, 3, height, width)")
    demand(input.crop.size == input.shape.drop(2), "a crop of ${input.crop.size} for shape ${input.shape}", "the shape's height and width")
    demand(input.crop.mode == "center" && input.color == "RGB", "crop ${input.crop.mode}, colour ${input.color}", "center, RGB")
    val covers = input.resize.size.zip(input.crop.size).all { (resized, cropped) -> cropped in 1..resized }
    demand(input.resize.size.size == 2 && covers, "a resize to ${input.resize.size}", "at least the crop ${input.crop.size}")
    val normal = input.mean.size == CHANNELS && input.std.size == CHANNELS && input.std.all { it > 0 }
    demand(normal, "mean ${input.mean} and std ${input.std}", "three numbers each, std positive")
}

/** Checks what a runtime needs of an artefact; those of formats that nothing here runs may look otherwise. Throws [Failure]. */
fun checkArtefact(artefact: ArtefactEntry, manifest: Manifest) {
    val (path, inputs, outputs) = Triple(artefact.path, artefact.inputs, artefact.outputs)
    demand(path.split('/').none { it == ".." || it.isEmpty() }, "artefact path $path", "a path inside the model's folder")
    demand(artefact.validations.isNotEmpty(), "$path without a validation", "at least one")
    demand(inputs.size == 1 && outputs.size == 1, "$path with ${inputs.size} inputs and ${outputs.size} outputs", "one of each")
    val (height, width) = manifest.input.crop.size
    val rows = listOf(1, height, width, CHANNELS)
    val shapes = if (artefact.input.isImage) listOf(rows) else listOf(listOf(1, CHANNELS, height, width), rows)
    demand(artefact.input.shape in shapes, "$path with input ${artefact.input.shape}", shapes.joinToString(" or "))
    val dtypes = listOf(artefact.input.dtype, artefact.output.dtype)
    demand(dtypes.all { it in DTYPES }, "$path with tensors of $dtypes", DTYPES.joinToString(" or "))
    val logits = listOf(1, manifest.model.numClasses)
    demand(artefact.output.shape == logits, "$path with output ${artefact.output.shape}", "$logits")
}

/** Throws [Failure] unless [good]. */
inline fun demand(
    good: Boolean,
    got: String,
    allowed: String,
    advice: () -> String = { "run evit-mobile export-app android --from DIR again" },
) {
    if (!good) throw Failure(got, allowed, advice())
}
