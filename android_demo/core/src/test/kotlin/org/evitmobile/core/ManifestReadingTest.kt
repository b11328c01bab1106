package org.evitmobile.core

import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlinx.serialization.json.Json
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir

class ManifestReadingTest {
    private val files = directory(modelFolder("m0"))
    private val text = Json.parseToJsonElement(files.read("manifest.json").decodeToString()).toString()

    @Test
    fun `a manifest as evit-mobile writes it`() {
        val manifest = readManifest(files)
        assertEquals("efficientvit_m0", manifest.model.name)
        assertEquals(listOf(1, 3, 224, 224), manifest.input.shape)
        assertEquals(listOf("tflite fp32", "executorch fp32", "tflite int8"), manifest.artefacts.map { "${it.format} ${it.precision}" })
        assertEquals("Trouser", manifest.labels[1])
        assertTrue(manifest.artefacts.all { it.objection == null })
    }

    private val judges = Regex("\"validations\":\\[.*?],\"sizes\"")

    /** What is wrong with a manifest, and a word that its message must hold. */
    private val damages = mapOf(
        "the schema before" to (changed("\"schema\":2", "\"schema\":1") to "schema 1"),
        "another schema" to (changed("\"schema\":2", "\"schema\":7") to "schema 7"),
        "no schema" to (changed("\"schema\":2,", "") to "schema null"),
        "an unknown verdict" to (changed("\"passed\"", "\"good\"") to "good"),
        "no validations" to (changed("\"validations\"", "\"validation\"") to "validations"),
        "no judge" to (judges.replace(text, "\"validations\":[],\"sizes\"") to "without a validation"),
        "no JSON" to (text.take(200) to "cannot be read"),
        "an array" to ("[]" to "cannot be read"),
        "an unknown filter" to (changed("\"bilinear\"", "\"area\"") to "area"),
        "a missing field" to (changed("\"std\"", "\"sdt\"") to "std"),
        "too few labels" to (changed("\"Trouser\",", "") to "9 labels for 10 classes"),
        "a segmentation model" to (changed("\"classification\"", "\"segmentation\"") to "segmentation"),
        "a path out of the folder" to (changed("\"path\":\"efficientvit_m0.fp32.tflite\"", "\"path\":\"../x.tflite\"") to "../x.tflite"),
        "another colour order" to (changed("\"RGB\"", "\"BGR\"") to "BGR"),
        "tensors of another type" to (changed("\"dtype\":\"float32\",\"layout\":\"NHWC\"", "\"dtype\":\"image\",\"layout\":\"NHWC\"") to "image"),
        "an input of another size" to (changed("[1,224,224,3]", "[1,256,256,3]") to "[1, 256, 256, 3]"),
    )

    @TestFactory
    fun `what is wrong is said in words`() =
        damages.map { (name, damage) ->
            dynamicTest(name) {
                val (document, word) = damage
                val failure = assertFailsWith<Failure> {
                    val manifest = readManifest(changed(files, "manifest.json" to document.encodeToByteArray()))
                    manifest.artefacts.forEach { checkArtefact(it, manifest) }
                }
                assertTrue(word in failure.got, failure.message)
            }
        }

    @Test
    fun `one judge of several is enough to leave a file unproven, and a failure is told first`() {
        val said = listOf(Verdict.PASSED, Verdict.NOT_RUN, Verdict.FAILED).map { ValidationEntry(it, it.word) }
        val artefact = readManifest(files).artefacts.first()
        assertEquals(said[2], artefact.copy(validations = said).objection)
        assertEquals(said[1], artefact.copy(validations = said.take(2)).objection)
        assertEquals(null, artefact.copy(validations = said.take(1)).objection)
    }

    @Test
    fun `no manifest`() {
        val failure = assertFailsWith<Failure> { readManifest(changed(files, "manifest.json" to null)) }
        assertTrue("manifest.json" in failure.got && "export-app" in failure.advice, failure.message)
    }

    @Test
    fun `an artefact is copied whole, checked, and copied once`(@TempDir folder: File) {
        val artefact = readManifest(files).artefacts.first()
        val copy = files.materialise(artefact.path, artefact.sha256, folder)
        assertEquals(artefact.sha256, sha256Of(copy.readBytes()))
        val nothing = ModelFiles { error("read again") }
        assertEquals(copy, nothing.materialise(artefact.path, artefact.sha256, folder))
    }

    @Test
    fun `a damaged artefact is refused and leaves nothing behind`(@TempDir folder: File) {
        val artefact = readManifest(files).artefacts.first()
        val bytes = files.read(artefact.path).also { it[4711] = (it[4711] + 1).toByte() }
        val failure = assertFailsWith<Failure> { changed(files, artefact.path to bytes).materialise(artefact.path, artefact.sha256, folder) }
        assertTrue("SHA-256" in failure.got, failure.message)
        assertEquals(emptyList(), folder.list()!!.toList())
    }

    @Test
    fun `a missing artefact is named`(@TempDir folder: File) {
        val artefact = readManifest(files).artefacts.first()
        val failure = assertFailsWith<Failure> { changed(files, artefact.path to null).materialise(artefact.path, artefact.sha256, folder) }
        assertTrue(artefact.path in failure.got, failure.message)
    }

    @Test
    fun `an altered golden file is refused`() {
        val entry = checkNotNull(readManifest(files).golden)
        val altered = changed(files, "golden/00.png" to byteArrayOf(1), "golden/00.f32" to byteArrayOf(1))
        val golden = Golden.open(altered, entry)
        assertFailsWith<Failure> { golden.encoded(golden.bundle.images.first()) }
        assertFailsWith<Failure> { golden.tensor(golden.bundle.images.first()) }
        assertFailsWith<Failure> { Golden.open(changed(files, entry.path to byteArrayOf(1)), entry) }
    }

    private fun changed(old: String, new: String): String {
        check(old in text) { "the fixture holds no $old" }
        return text.replace(old, new)
    }
}
