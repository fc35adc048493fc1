echo off
lamp /on
lamp /watt 20
lamp /off
lamp /state
echo done
