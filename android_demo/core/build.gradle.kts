plugins {
    `java-library`
    alias(libs.plugins.kotlin.jvm)
    alias(libs.plugins.kotlin.serialization)
}

kotlin {
    jvmToolchain(17)
    compilerOptions { allWarningsAsErrors = true }
}

dependencies {
    api(libs.kotlinx.serialization.json)
    testImplementation(libs.kotlin.test)
    testImplementation(libs.junit.jupiter)
    testRuntimeOnly(libs.junit.launcher)
}

// python -m tests.android_demo.fixtures FOLDER writes what the tests read; then gradle :core:test -Pfixtures=FOLDER
tasks.test {
    useJUnitPlatform()
    onlyIf { project.hasProperty("fixtures") }
    systemProperty("evitmobile.fixtures", providers.gradleProperty("fixtures").getOrElse(""))
}
