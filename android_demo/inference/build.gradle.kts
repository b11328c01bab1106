plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.evitmobile.inference"
    compileSdk = 36
    defaultConfig { minSdk = 26 }
}

kotlin {
    jvmToolchain(17)
    compilerOptions { allWarningsAsErrors = true }
}

dependencies {
    api(project(":core"))
    implementation(libs.litert)
    implementation(libs.litert.gpu)
    implementation(libs.onnxruntime.qnn)
    implementation(libs.executorch)
}

// src/jvmTest is no source set of Gradle's: tests/android_demo runs it against LiteRT's C library for this machine.
