package org.evitmobile.core

import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

class PreprocessTest {
    @TestFactory
    fun `golden images become Python's tensors`(): List<DynamicTest> =
        listOf("m0", "b0", "five").map { name -> dynamicTest(name) { assertSameTensors(modelFolder(name), images = 32) } }

    @TestFactory
    fun `every filter and resize on awkward sizes`(): List<DynamicTest> =
        File(fixtures, "cases").listFiles()!!.sorted().map { folder -> dynamicTest(folder.name) { assertSameTensors(folder, images = 7) } }

    @Test
    fun `there is a case for each filter and resize`() {
        val names = Interpolation.entries.flatMap { filter -> ResizeMode.entries.map { "$it-$filter".lowercase() } }
        assertEquals(names.toSet(), File(fixtures, "cases").list()!!.toSet())
    }

    @Test
    fun `a planted error of one mean is seen`() {
        val golden = openGolden(modelFolder("m0"))
        val input = golden.bundle.input
        val wrong = Preprocess(input.copy(mean = listOf(0.5, 0.456, 0.406)))
        val image = golden.bundle.images.first()
        assertTrue(maxAbsError(wrong(decodePng(golden.encoded(image))), golden.tensor(image)) > 1e-2)
    }

    @Test
    fun `a strip that would become huge is refused`() {
        val input = openGolden(File(fixtures, "cases/cover-bicubic")).bundle.input
        val failure = assertFailsWith<Failure> { Preprocess(input)(RgbImage(20_000, 1, ByteArray(60_000))) }
        assertTrue("1x20000" in failure.got, failure.got)
    }

    private fun assertSameTensors(folder: File, images: Int) {
        val golden = openGolden(folder)
        val preprocess = Preprocess(golden.bundle.input)
        assertEquals(images, golden.bundle.images.size)
        val errors = golden.bundle.images.map { maxAbsError(preprocess(decodePng(golden.encoded(it))), golden.tensor(it)) }
        println("${folder.name}: max abs error ${errors.max()} over $images images")
        assertTrue(errors.max() <= 1e-5, "${folder.name}: $errors")
    }
}

/** The bundle of a folder, also where no manifest names it. */
fun openGolden(folder: File): Golden {
    val path = "golden/golden.json"
    return Golden.open(directory(folder), GoldenEntry(path, sha256Of(File(folder, path).readBytes())))
}
